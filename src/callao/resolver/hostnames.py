# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolves names by the host's getaddrinfo: hosts file, mDNS, VPNs, and all else in nsswitch.conf."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from callao.resolver import message as dns
from callao.resolver.inflight import InFlight
from callao.resolver.names import canonical, is_number
from callao.resolver.rules import Address
from callao.resolver.threads import DaemonThreads

_NO_NAME = {socket.EAI_NONAME}
_NO_ADDRESS = {
    getattr(socket, name) for name in ("EAI_NODATA", "EAI_ADDRFAMILY") if hasattr(socket, name)
}  # neither is in POSIX; where they have one number for both, EAI_NONAME is asked about twice


@dataclass(frozen=True)
class HostAnswer:
    """``rcode`` NOERROR without addresses means that the name exists without addresses of the family."""

    rcode: int
    name: str = ""
    addresses: tuple[Address, ...] = ()


class HostNames:
    """:param gateway: the host's address in the guest's network; replaces the host's loopback addresses.
    :param timeout: seconds for a name; what comes later serves nobody.
    """

    def __init__(self, gateway: IPv4Address | None, *, threads: int = 16, timeout: float = 10) -> None:
        self._gateway = gateway
        self._threads: DaemonThreads[HostAnswer] = DaemonThreads(threads)
        self._timeout = timeout
        self._lookups: InFlight[tuple[str, int], HostAnswer] = InFlight()

    async def find(self, name: str, family: socket.AddressFamily) -> HostAnswer:
        if is_number(name):
            return HostAnswer(dns.NXDOMAIN)
        found = await self._lookups.share((name, family), lambda: self._look_up(name, family))
        return replace(found, addresses=for_guest(found.addresses, self._gateway))

    async def close(self) -> None:
        await self._lookups.close()

    async def _look_up(self, name: str, family: socket.AddressFamily) -> HostAnswer:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._threads.run(lambda: ask(name, family))
        except TimeoutError:
            return HostAnswer(dns.SERVFAIL)


def ask(name: str, family: socket.AddressFamily) -> HostAnswer:
    """Ask getaddrinfo; blocks. For EAI_NONAME the other family is asked, too, because glibc returns it also
    for names that have only addresses of that family."""
    found = _getaddrinfo(name, family)
    if found.rcode != dns.NXDOMAIN:
        return found
    other = socket.AF_INET6 if family == socket.AF_INET else socket.AF_INET
    return HostAnswer(_getaddrinfo(name, other).rcode)


def _getaddrinfo(name: str, family: socket.AddressFamily) -> HostAnswer:
    try:
        infos = socket.getaddrinfo(
            name.encode("ascii"), None, family, socket.SOCK_STREAM, 0, socket.AI_CANONNAME
        )
    except socket.gaierror as error:
        if error.errno in _NO_ADDRESS:
            return HostAnswer(dns.NOERROR)
        return HostAnswer(dns.NXDOMAIN if error.errno in _NO_NAME else dns.SERVFAIL)
    except (OSError, UnicodeError):
        return HostAnswer(dns.SERVFAIL)
    addresses: dict[Address, None] = {}
    for _, _, _, _, sockaddr in infos:
        with contextlib.suppress(ValueError):
            addresses[ipaddress.ip_address(sockaddr[0])] = None
    official = canonical(infos[0][3]) if infos and infos[0][3] else None
    return HostAnswer(dns.NOERROR, official or name, tuple(addresses))


def for_guest(addresses: tuple[Address, ...], gateway: IPv4Address | None) -> tuple[Address, ...]:
    """Replaces loopback addresses by the gateway's, which is IPv4, and drops link-local IPv6 addresses,
    which are not valid in the guest's network.
    """
    kept: dict[Address, None] = {}
    for address in addresses:
        if gateway and address.is_loopback:
            if address.version == 4:
                kept[gateway] = None
        elif address.version == 4 or not address.is_link_local:
            kept[address] = None
    return tuple(kept)
