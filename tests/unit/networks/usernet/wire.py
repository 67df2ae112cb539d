# SPDX-License-Identifier: GPL-3.0-or-later
"""A switch in a thread of its own, and NICs at it that block."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TypeVar

from callao.networks.usernet.dhcp import DhcpServer
from callao.networks.usernet.dhcp_message import Kind, Option
from callao.networks.usernet.gateway import Gateway
from callao.networks.usernet.guard import Guard
from callao.networks.usernet.leases import Leases
from callao.networks.usernet.packets import BROADCAST, udp_frame
from callao.networks.usernet.switch import Switch

T = TypeVar("T")

SUBNET = IPv4Network("192.168.104.0/24")
GATEWAY = IPv4Address("192.168.104.2")
GATEWAY_MAC = b"\x52\x55\xc0\xa8\x68\x02"
DNS_PORT = 61234


def mac(number: int) -> bytes:
    return b"\x52\x55\x55\x00" + struct.pack(">H", number)


def ip(number: int) -> bytes:
    return (SUBNET.network_address + number).packed


class Nic:
    """The guest's end of a connection."""

    def __init__(self, stream: socket.socket, own: bytes) -> None:
        self.stream = stream
        self.mac = own
        stream.settimeout(10)

    def send(self, *frames: bytes) -> None:
        self.stream.sendall(b"".join(struct.pack(">I", len(each)) + each for each in frames))

    def receive(self) -> bytes:
        (length,) = struct.unpack(">I", self._exactly(4))
        return self._exactly(length)

    def silent(self, others: Nic) -> bool:
        """Whether nothing comes before a frame that another NIC sends now."""
        mark = self.mac + others.mac + b"\x12\x34mark"
        others.send(mark)
        return self.receive() == mark

    def ended(self) -> bool:
        try:
            return self.stream.recv(1) == b""
        except ConnectionResetError:
            return True

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.stream.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data


class Wire:
    """A network without its daemon."""

    def __init__(self, leases: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self.faults: list[object] = []
        self._loop.set_exception_handler(lambda _, context: self.faults.append(context))
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.leases = Leases(SUBNET, frozenset({SUBNET.network_address + 1, GATEWAY}), leases)
        dhcp = DhcpServer(SUBNET, GATEWAY, GATEWAY_MAC, self.leases)
        guard = Guard(GATEWAY.packed, lambda address: self.leases.owner(IPv4Address(address)))
        self.gateway = Gateway(GATEWAY_MAC, GATEWAY.packed)
        self.lost: list[tuple[bytes, str]] = []
        self.switch = Switch(self.gateway, guard, dhcp, lambda *lost: self.lost.append(lost))
        self._streams: list[socket.socket] = []

    def nic(self, number: int) -> Nic:
        """One more; its address is leased to it."""
        ours, theirs = socket.socketpair()
        self._streams.append(ours)

        async def connect() -> None:
            self.leases.take(mac(number))
            self.switch.reserve(mac(number))
            self.gateway.add_name_server(mac(number), DNS_PORT + number, DNS_PORT + number)
            self.switch.connect(theirs, mac(number))

        self.do(connect())
        return Nic(ours, mac(number))

    def uplink(self) -> Nic:
        ours, theirs = socket.socketpair()
        self._streams.append(ours)

        async def connect() -> None:
            self.switch.connect_uplink(theirs)

        self.do(connect())
        return Nic(ours, GATEWAY_MAC)

    def do(self, work: Awaitable[T]) -> T:
        async def run() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def close(self) -> None:
        """End all; a second time, does nothing."""
        if self._loop.is_closed():
            return

        async def close() -> None:
            self.switch.close()

        self.do(close())
        for each in self._streams:
            with contextlib.suppress(OSError):
                each.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def tcp(source: bytes, target: bytes, payload: bytes = b"", ports: tuple[int, int] = (40000, 80)) -> bytes:
    """A frame of IPv4 and TCP between two MAC addresses, checksums left out."""
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 0, 0, 64, 6, 0, ip(5), ip(6))
    segment = struct.pack(">HHIIBBHHH", *ports, 0, 0, 0x50, 0x10, 1000, 0, 0)
    return target + source + b"\x08\x00" + head + segment + payload


def udp(source: bytes, target: bytes, ports: tuple[int, int], payload: bytes = b"x") -> bytes:
    return udp_frame((source, target), (ip(5), ip(6)), ports, payload)


def arp(source: bytes, sender_ip: bytes, target_ip: bytes, *, sender: bytes = b"") -> bytes:
    """A broadcast request."""
    head = b"\x00\x01\x08\x00\x06\x04\x00\x01"
    body = head + (sender or source) + sender_ip + bytes(6) + target_ip
    return BROADCAST + source + b"\x08\x06" + body + bytes(18)


def dhcp_request(
    own: bytes,
    kind: int,
    options: dict[int, bytes] | None = None,
    *,
    client: bytes = bytes(4),
    flags: int = 0,
) -> bytes:
    """A client's message."""
    head = struct.pack(
        ">BBBBIHH4s4s4s4s16s64s128s4s", 1, 1, 6, 0, 0xCAFE, 0, flags, client, bytes(4), bytes(4), bytes(4),
        own, b"", b"", b"\x63\x82\x53\x63",
    )  # fmt: skip
    every = {Option.KIND: bytes([kind]), **(options or {})}
    return head + b"".join(bytes([key, len(value)]) + value for key, value in every.items()) + b"\xff"


def dhcp_frame(
    own: bytes, message: bytes, *, source: bytes = bytes(4), target: bytes = b"\xff" * 4
) -> bytes:
    return udp_frame((own, BROADCAST), (source, target), (68, 67), message)


def dhcp_answer(frame: bytes) -> tuple[Kind, IPv4Address, dict[int, bytes]]:
    """Kind, the client's address, and options of a server's message."""
    data = frame[42:]
    options, at = {}, 240
    while data[at] != 255:
        options[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return Kind(options[53][0]), IPv4Address(data[16:20]), options
