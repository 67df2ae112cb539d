# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that the guest has connected to, and that gets secrets."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address


@dataclass(frozen=True)
class Server:
    """``address`` is where the guest sees it, ``upstream`` where the host has it."""

    name: str
    address: IPv4Address
    port: int
    upstream: str

    @property
    def host(self) -> tuple[str, int]:
        """By which secrets name it."""
        return self.name, self.port
