# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the host's name servers from resolv.conf(5)."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

MAX_SERVERS = 3  # what glibc takes, MAXNS


@dataclass(frozen=True)
class Server:
    address: str
    port: int = 53


class NameServers:
    """Reads the file again when it has changed, as a VPN or a new network does.

    :param own_ports: ports of 127.0.0.1 on which this resolver listens itself.
    """

    def __init__(self, path: Path, *, port: int = 53, own_ports: Collection[int] = ()) -> None:
        self._path = path
        self._port = port
        self._ours = own_ports
        self._stamp: tuple[int, ...] = ()
        self._servers: tuple[Server, ...] = ()
        self.reads = 0
        """Grows with each reading: what was learnt from earlier servers is out of date."""

    def now(self) -> tuple[Server, ...]:
        """The servers; none if the file does not exist, which is normal on a host without a network."""
        try:
            stat = self._path.stat()
            stamp: tuple[int, ...] = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
            text = "" if stamp == self._stamp else self._path.read_text(errors="replace")
        except OSError:
            stamp, text = (), ""
        if stamp != self._stamp:
            self._stamp = stamp
            self._servers = servers(text, port=self._port, own_ports=self._ours)
            self.reads += 1
        return self._servers


def servers(text: str, *, port: int, own_ports: Collection[int]) -> tuple[Server, ...]:
    """The addresses in lines ``nameserver ADDRESS``, without our own."""
    words = [line.split() for line in text.splitlines()]
    named = [word[1] for word in words if len(word) > 1 and word[0] == "nameserver"]
    reachable = (address for address in named if _is_other(address, port in own_ports))
    return tuple(Server(address, port) for address in reachable)[:MAX_SERVERS]


def _is_other(text: str, port_is_ours: bool) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return not (port_is_ours and str(mapped) in {"127.0.0.1", "0.0.0.0"})  # noqa: S104 # compared only
