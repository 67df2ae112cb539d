# SPDX-License-Identifier: GPL-3.0-or-later
"""How an ssh client gets to the sshd of a guest. Quick to import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

LOOPBACK = "127.0.0.1"


class Reach(NamedTuple):
    """The client connects to ``address`` and ``port``; where there is a ``proxy_command``, it runs that
    instead and speaks to sshd by the command's standard input and output, see ssh_config(5).

    A virtual socket is reached by a proxy command that opens it. ``proxy_command`` is an argv.
    """

    port: int
    address: str = LOOPBACK
    proxy_command: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """For people."""
        return "proxy command" if self.proxy_command else f"{self.address}:{self.port}"

    def fields(self) -> dict[str, Any]:
        """As runtime.json has it."""
        return {
            "ssh_port": self.port,
            "ssh_address": self.address,
            "ssh_proxy_command": self.proxy_command,
        }


def from_fields(fields: Mapping[str, object]) -> Reach | None:
    """Reads what :meth:`Reach.fields` wrote; None where there is no port."""
    port, address, command = (fields.get(key) for key in ("ssh_port", "ssh_address", "ssh_proxy_command"))
    if type(port) is not int or not port:
        return None
    words = tuple(map(str, command)) if isinstance(command, list | tuple) else ()
    return Reach(port, address if isinstance(address, str) else LOOPBACK, words)
