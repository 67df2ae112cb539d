# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS server of one guest, on the host's loopback."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeVar

from callao.errors import AgentError
from callao.resolver.answers import Answerer
from callao.resolver.cache import Cache
from callao.resolver.forwarder import Forwarder, Timeouts
from callao.resolver.hostnames import HostNames
from callao.resolver.limit import QueryLimit
from callao.resolver.listeners import TcpListener, UdpListener
from callao.resolver.nameservers import NameServers
from callao.resolver.responder import Answers, Responder
from callao.resolver.rules import ConfiguredNames, Rules

LOOPBACK = "127.0.0.1"
MAX_QUERIES = 256

Listener = TypeVar("Listener")


class Resolver:
    """A DNS server for one guest.

    :param gateway: the guest's address of the host. What the host's hosts file places on a loopback
        address is answered with it; None leaves such answers as they are.
    :param resolv_conf: names the servers that are asked for what getaddrinfo cannot tell.
    :param upstream_port: their port.
    :param idle: seconds after which a TCP connection without queries ends.
    :param ports: the first of them that is free; 0 is any.
    :param through: puts something before what answers the questions.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        ports: Sequence[int] = (0,),
        gateway: IPv4Address | None = None,
        resolv_conf: Path = Path("/etc/resolv.conf"),
        upstream_port: int = 53,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 # frozen
        idle: float = 10,
        through: Callable[[Answerer], Answers] = lambda answerer: answerer,
    ) -> None:
        own_ports: set[int] = set()
        self._ours = own_ports
        self._host = HostNames(gateway)
        servers = NameServers(resolv_conf, port=upstream_port, own_ports=own_ports)
        self._forwarder = Forwarder(servers, timeouts, Cache())
        limit = QueryLimit(MAX_QUERIES)
        self._answerer = Answerer(
            ConfiguredNames(rules), self._host, self._forwarder, limit, ipv6=rules.ipv6
        )
        responder = Responder(through(self._answerer))
        self._datagrams = UdpListener(responder)
        self._connections = TcpListener(responder, idle=idle)
        self._server: asyncio.Server | None = None
        self._ports = ports

    async def start(self) -> tuple[int, int]:
        """Start listening; returns the ports for UDP and TCP, which may differ."""
        try:
            transport = await _listen_on_first_free(self._ports, self._listen_udp)
            self._server = await _listen_on_first_free(self._ports, self._listen_tcp)
        except OSError as error:
            await self.close()
            raise AgentError(
                f"The resolver for the guest cannot listen on {LOOPBACK}: {error}.",
                hint="Set hostResolver.enabled to false to go without.",
            ) from error
        udp = int(transport.get_extra_info("sockname")[1])
        tcp = int(self._server.sockets[0].getsockname()[1])
        self._ours.update((udp, tcp))
        return udp, tcp

    def replace_names(self, names: ConfiguredNames) -> None:
        """Answer by other configured names from now on."""
        self._answerer.known = names

    async def _listen_udp(self, port: int) -> asyncio.DatagramTransport:
        loop, here = asyncio.get_running_loop(), (LOOPBACK, port)
        transport, _ = await loop.create_datagram_endpoint(lambda: self._datagrams, local_addr=here)
        return transport

    async def _listen_tcp(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._connections.accept, LOOPBACK, port)

    async def close(self) -> None:
        """Stop immediately and cancel pending queries; does nothing when it is called again."""
        if self._server:
            self._server.close()
        await self._datagrams.close()
        await self._connections.close()
        await self._host.close()
        await self._forwarder.close()


async def _listen_on_first_free(
    ports: Sequence[int], listen: Callable[[int], Awaitable[Listener]]
) -> Listener:
    """:raises OSError: when each of them is taken, or anything else is wrong."""
    *others, last = ports
    for port in others:
        try:
            return await listen(port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return await listen(last)
