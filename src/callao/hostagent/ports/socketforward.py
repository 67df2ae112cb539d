# SPDX-License-Identifier: GPL-3.0-or-later
"""Unix sockets across the guest's edge, over the control master; see ssh(1), ``-L`` and ``-R``."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from callao.config import PortForward
from callao.errors import CallaoError
from callao.hostagent.ports.hostsocket import make_way
from callao.ssh import Client


@dataclass
class SocketForwards:
    """The rules of lima.yaml that name a socket of the guest, and a socket or a port of the host."""

    client: Client
    folder: Path
    """Where a ``hostSocket`` that is not absolute lies."""
    tell: Callable[[str, str, str, str], None]
    """Told (Lima's type of event, the guest's address, the host's, an error's words)."""
    active: list[tuple[str, str]] = field(default_factory=list)
    """(``-L`` or ``-R``, specification)."""

    async def become(self, rules: Sequence[PortForward]) -> None:
        """Close what no rule wants any more, and open the rest; what fails is told."""
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
        """After a lost connection."""
        self.active.clear()
        await self.become(rules)

    async def _open(self, rule: PortForward, spec: tuple[str, str]) -> None:
        guest, host = self._ends(rule)
        try:
            if rule.host_socket and not rule.reverse:
                make_way(self._host_path(rule.host_socket))
            if rule.guest_socket and rule.reverse:
                there = shlex.quote(rule.guest_socket)
                await self.client.run(f"[ ! -S {there} ] || sudo -n rm -f -- {there}\n", timeout=30.0)
            await self.client.control("forward", *spec)
        except (CallaoError, OSError, TimeoutError) as error:
            self.tell("failed", guest, host, str(error))
            return
        self.active.append(spec)
        self.tell("forwarding", guest, host, "")

    def _specification(self, rule: PortForward) -> tuple[str, str]:
        guest, host = self._ends(rule)
        guest = _escaped(guest)
        host = _escaped(host) if rule.host_socket else host
        return ("-R", f"{guest}:{host}") if rule.reverse else ("-L", f"{host}:{guest}")

    def _ends(self, rule: PortForward) -> tuple[str, str]:
        assert rule.guest_socket
        if rule.host_socket:
            return rule.guest_socket, str(self._host_path(rule.host_socket))
        host_ip = f"[{rule.host_ip}]" if ":" in rule.host_ip else rule.host_ip
        return rule.guest_socket, f"{host_ip}:{rule.host_port_range[0]}"

    def _host_path(self, text: str) -> Path:
        return self.folder / text


def _escaped(path: str) -> str:
    """A path in a forward's specification, where ssh takes a colon for its end, a backslash for an escape
    and a percent sign for a token; see ssh_config(5), "TOKENS"."""
    return path.replace("%", "%%").replace("\\", "\\\\").replace(":", "\\:")
