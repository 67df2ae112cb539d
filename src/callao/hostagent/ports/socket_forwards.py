# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwards unix sockets between host and guest by the ssh control master; see ssh(1), ``-L`` and ``-R``."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from callao.config import PortForward
from callao.errors import CallaoError
from callao.hostagent.ports.host_socket import remove_stale_socket
from callao.ports import join_host_port
from callao.ssh import Client


@dataclass
class SocketForwards:
    """The rules of lima.yaml that name a socket of the guest, and a socket or a port of the host."""

    client: Client
    folder: Path
    """The folder of a ``hostSocket`` that is not absolute."""
    emit: Callable[[str, str, str, str], None]
    """Called with (Lima's type of event, the guest's address, the host's address, an error message)."""
    active: list[tuple[str, str]] = field(default_factory=list)
    """(``-L`` or ``-R``, specification)."""

    async def apply_rules(self, rules: Sequence[PortForward]) -> None:
        """Close forwards without a rule, and open those that are missing; errors are emitted as events."""
        wanted = [rule for rule in rules if rule.guest_socket and not rule.ignore]
        specs = [self._specification(rule) for rule in wanted]
        for old in [each for each in self.active if each not in specs]:
            self.active.remove(old)
            with contextlib.suppress(CallaoError):
                await self.client.control("cancel", *old)
        for rule, spec in zip(wanted, specs, strict=True):
            if spec not in self.active:
                await self._open(rule, spec)

    async def reopen(self, rules: Sequence[PortForward]) -> None:
        """Open all forwards again after the ssh connection was lost."""
        self.active.clear()
        await self.apply_rules(rules)

    async def _open(self, rule: PortForward, spec: tuple[str, str]) -> None:
        guest, host = self._addresses(rule)
        try:
            if rule.host_socket and not rule.reverse:
                remove_stale_socket(self._host_path(rule.host_socket))
            if rule.guest_socket and rule.reverse:
                guest_path = shlex.quote(rule.guest_socket)
                await self.client.run(
                    f"[ ! -S {guest_path} ] || sudo -n rm -f -- {guest_path}\n", timeout=30.0
                )
            await self.client.control("forward", *spec)
        except (CallaoError, OSError, TimeoutError) as error:
            self.emit("failed", guest, host, str(error))
            return
        self.active.append(spec)
        self.emit("forwarding", guest, host, "")

    def _specification(self, rule: PortForward) -> tuple[str, str]:
        guest, host = self._addresses(rule)
        guest = _escaped(guest)
        host = _escaped(host) if rule.host_socket else host
        return ("-R", f"{guest}:{host}") if rule.reverse else ("-L", f"{host}:{guest}")

    def _addresses(self, rule: PortForward) -> tuple[str, str]:
        assert rule.guest_socket
        if rule.host_socket:
            return rule.guest_socket, str(self._host_path(rule.host_socket))
        return rule.guest_socket, join_host_port(rule.host_ip, rule.host_port_range[0])

    def _host_path(self, text: str) -> Path:
        return self.folder / text


def _escaped(path: str) -> str:
    """Escape a path for a forward's specification, where a colon is a separator, a backslash an escape, and
    a percent sign begins a token; see ssh_config(5), "TOKENS".
    """
    return path.replace("%", "%%").replace("\\", "\\\\").replace(":", "\\:")
