# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens and closes one forward: by the hypervisor, by ssh, or by the host agent and the guest program."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from callao import system
from callao.drivers import Forward, LiveForwarder
from callao.errors import AgentError, PortTaken
from callao.guest.streams.window import StreamTarget
from callao.hostagent.channel.stream_multiplexer import StreamMultiplexer
from callao.hostagent.ports.host_socket import file_identity, remove_socket, remove_stale_socket
from callao.hostagent.ports.tcp_forward import listen_tcp, listen_unix
from callao.hostagent.ports.udp_forward import UdpPort
from callao.ports import WantedForward, address_within_guest, is_free, join_host_port
from callao.ssh import Client


class Forwarder(Protocol):
    async def open(self, wanted: WantedForward) -> None:
        """Open a forward.

        :raises CallaoError: when the host's port is not available, or the guest cannot be reached.
        """

    async def close(self, wanted: WantedForward) -> None:
        """Close a forward that was opened.

        :raises CallaoError: when it cannot be closed.
        """


class SlirpForwarder:
    """The hypervisor's user-mode network forwards the port."""

    def __init__(self, machine: LiveForwarder) -> None:
        self._machine = machine

    async def open(self, wanted: WantedForward) -> None:
        await self._machine.add_forward(machine_forward(wanted))

    async def close(self, wanted: WantedForward) -> None:
        await self._machine.remove_forward(machine_forward(wanted))


class SshForwarder:
    """The ssh control master opens and closes listeners while it runs, see ssh(1), ``-O``."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def open(self, wanted: WantedForward) -> None:
        if not is_free("tcp", wanted.host_ip, wanted.host_port):
            raise PortTaken("the port is taken", port=wanted.host_port)
        await self._client.control("forward", "-L", _specification(wanted))

    async def close(self, wanted: WantedForward) -> None:
        await self._client.control("cancel", "-L", _specification(wanted))


class AgentForwarder:
    """The host agent listens, and each connection is a stream to the guest program. Connections stay open
    when their listener is closed.

    :param sockets: the folder of a ``hostSocket`` that is not absolute.
    """

    def __init__(self, multiplexer: StreamMultiplexer, sockets: Path) -> None:
        self._multiplexer = multiplexer
        self._sockets = sockets
        self._open: dict[WantedForward, asyncio.Server | UdpPort] = {}
        self._socket_files: dict[WantedForward, tuple[int, int]] = {}

    async def open(self, wanted: WantedForward) -> None:
        target = StreamTarget(wanted.proto, address_within_guest(wanted.guest_ip), wanted.guest_port)
        host_end = (wanted.host_ip, wanted.host_port)
        try:
            if wanted.host_socket:
                self._open[wanted] = await self._listen_on_socket(wanted, target)
            elif wanted.proto == "tcp":
                self._open[wanted] = await listen_tcp(self._multiplexer, *host_end, target)
            else:
                self._open[wanted] = UdpPort(self._multiplexer, *host_end, target)
        except OSError as error:
            name = wanted.host_socket or f"{wanted.proto} port {wanted.host_port} on {wanted.host_ip}"
            raise PortTaken(f"{name}: {error.strerror}", port=wanted.host_port) from error

    async def close(self, wanted: WantedForward) -> None:
        self._open.pop(wanted).close()
        if wanted.host_socket:
            remove_socket(self._sockets / wanted.host_socket, self._socket_files.pop(wanted))

    async def _listen_on_socket(self, wanted: WantedForward, target: StreamTarget) -> asyncio.Server:
        if wanted.proto != "tcp":
            raise AgentError(f"{wanted.host_socket}: a socket carries TCP, and the guest's port is of UDP")
        path = self._sockets / wanted.host_socket
        remove_stale_socket(path)
        listener = system.unix_socket()
        try:
            listener.bind(str(path))
            path.chmod(0o600)  # before anybody can connect
            self._socket_files[wanted] = file_identity(path)
            return await listen_unix(self._multiplexer, listener, target)
        except OSError:
            listener.close()
            raise


def machine_forward(wanted: WantedForward) -> Forward:
    """The driver's record of a forward, which connects to the guest's NIC."""
    return Forward(wanted.proto, wanted.host_ip, wanted.host_port, wanted.guest_port)


def _specification(wanted: WantedForward) -> str:
    guest = join_host_port(address_within_guest(wanted.guest_ip), wanted.guest_port)
    return f"{join_host_port(wanted.host_ip, wanted.host_port)}:{guest}"
