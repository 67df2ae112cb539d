# SPDX-License-Identifier: GPL-3.0-or-later
"""``/v1/port-forwards`` on ha.sock: adds and removes rules while the machine runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from callao.config import PortForward
from callao.errors import AgentError
from callao.hostagent.api import routes
from callao.hostagent.api.answers import ForwardsAnswer
from callao.hostagent.api.http import Request, Routes
from callao.hostagent.ports.live_ports import LivePorts
from callao.ports import Binding


@dataclass
class ForwardsApi:
    """``forwards`` returns every forward in effect, of rules in lima.yaml and of rules added here.

    ``guest_program`` is the driver's feature.
    """

    ports: LivePorts | None
    forwards: Callable[[], tuple[Binding, ...]]
    guest_program: bool = True

    def routes(self) -> Routes:
        return {
            routes.LIST_FORWARDS: self._list,
            routes.ADD_FORWARD: self._add,
            routes.REMOVE_FORWARD: self._remove,
        }

    async def _list(self, _request: Request) -> ForwardsAnswer:
        keys = ("proto", "hostIP", "hostPort", "guestPort")
        failed = self.ports.failed if self.ports is not None else {}
        return {
            "forwards": [dict(zip(keys, binding, strict=True)) for binding in self.forwards()],
            "failed": [
                {"proto": each.proto, "hostIP": each.host_ip, "hostPort": each.host_port,
                 "guestPort": each.guest_port, "error": error}
                for each, error in sorted(failed.items())
            ],
            "rules": [msgspec.to_builtins(rule) for rule in (self.ports.added_rules if self.ports else ())],
        }  # fmt: skip

    async def _add(self, request: Request) -> ForwardsAnswer:
        ports, rule = self._require_ports(), _rule(request.body)
        if rule not in ports.added_rules:
            await ports.add(rule)
        return await self._list(request)

    async def _remove(self, request: Request) -> ForwardsAnswer:
        ports, rule = self._require_ports(), _rule(request.body)
        if rule in ports.added_rules:
            await ports.remove(rule)
        return await self._list(request)

    def _require_ports(self) -> LivePorts:
        if self.ports is None:
            raise AgentError("a plain machine cannot be given further port forwards while it runs.")
        if not self.guest_program:
            raise AgentError(
                "this machine cannot be given port forwards: the host's system forwards its localhost to "
                "each port of the guest, always to the same one.",
                hint="Connect to the guest's port on localhost.",
            )
        return self.ports


def _rule(body: Any) -> PortForward:
    try:
        return msgspec.convert(body, PortForward)
    except msgspec.ValidationError as error:
        raise AgentError(f"{routes.ADD_FORWARD.path}: {error}.") from None
