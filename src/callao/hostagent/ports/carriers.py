# SPDX-License-Identifier: GPL-3.0-or-later
"""What opens and closes one forward, for each way that bytes can go."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from callao import system
from callao.drivers import Forward, LiveForwarder
from callao.errors import AgentError, PortTaken
from callao.guest.streams.window import StreamTarget
from callao.hostagent.channel.stream_multiplexer import StreamMultiplexer
from callao.hostagent.ports.hostsocket import identity, make_way, remove
from callao.hostagent.ports.tcpforward import listen_tcp, listen_unix
from callao.hostagent.ports.udpforward import UdpPort
from callao.ports import WantedForward, address_within_guest, is_free
from callao.ssh import Client


class Carrier(Protocol):
    async def open(self, wanted: WantedForward) -> None:
        """:raises CallaoError: when the host's port is not available, or the guest cannot be reached."""

    async def close(self, wanted: WantedForward) -> None:
        """One that was opened.

        :raises CallaoError: when it could not be.
        """


class BySlirp:
    """The hypervisor."""

    def __init__(self, machine: LiveForwarder) -> None:
        self._machine = machine

    async def open(self, wanted: WantedForward) -> None:
        await self._machine.add_forward(of_machine(wanted))

    async def close(self, wanted: WantedForward) -> None:
        await self._machine.remove_forward(of_machine(wanted))


class BySsh:
    """The control master opens and closes listeners at run time: ssh(1), ``-O``."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def open(self, wanted: WantedForward) -> None:
        if not is_free("tcp", wanted.host_ip, wanted.host_port):
            raise PortTaken("the port is taken", port=wanted.host_port)
        await self._client.control("forward", "-L", _specification(wanted))

    async def close(self, wanted: WantedForward) -> None:
        await self._client.control("cancel", "-L", _specification(wanted))


class ByAgent:
    """Listeners of our own, and streams to the guest's program. Connections outlive their listener.

    :param sockets: the folder of a ``hostSocket`` that is not absolute.
    """

    def __init__(self, multiplexer: StreamMultiplexer, sockets: Path) -> None:
        self._multiplexer = multiplexer
        self._sockets = sockets
        self._open: dict[WantedForward, asyncio.Server | UdpPort] = {}
        self._ours: dict[WantedForward, tuple[int, int]] = {}

    async def open(self, wanted: WantedForward) -> None:
        target = StreamTarget(wanted.proto, address_within_guest(wanted.guest_ip), wanted.guest_port)
        at = (wanted.host_ip, wanted.host_port)
        try:
            if wanted.host_socket:
                self._open[wanted] = await self._listen_on_socket(wanted, target)
            elif wanted.proto == "tcp":
                self._open[wanted] = await listen_tcp(self._multiplexer, *at, target)
            else:
                self._open[wanted] = UdpPort(self._multiplexer, *at, target)
        except OSError as error:
            end = wanted.host_socket or f"{wanted.proto} port {wanted.host_port} on {wanted.host_ip}"
            raise PortTaken(f"{end}: {error.strerror}", port=wanted.host_port) from error

    async def close(self, wanted: WantedForward) -> None:
        self._open.pop(wanted).close()
        if wanted.host_socket:
            remove(self._sockets / wanted.host_socket, self._ours.pop(wanted))

    async def _listen_on_socket(self, wanted: WantedForward, target: StreamTarget) -> asyncio.Server:
        if wanted.proto != "tcp":
            raise AgentError(f"{wanted.host_socket}: a socket carries TCP, and the guest's port is of UDP")
        path = self._sockets / wanted.host_socket
        make_way(path)
        listener = system.unix_socket()
        try:
            listener.bind(str(path))
            path.chmod(0o600)  # before anybody can connect
            self._ours[wanted] = identity(path)
            return await listen_unix(self._multiplexer, listener, target)
        except OSError:
            listener.close()
            raise


def of_machine(wanted: WantedForward) -> Forward:
    """The same in the driver's words; it leads to the guest's NIC."""
    return Forward(wanted.proto, wanted.host_ip, wanted.host_port, wanted.guest_port)


def _specification(wanted: WantedForward) -> str:
    host, guest = (
        f"[{ip}]" if ":" in ip else ip for ip in (wanted.host_ip, address_within_guest(wanted.guest_ip))
    )
    return f"{host}:{wanted.host_port}:{guest}:{wanted.guest_port}"
