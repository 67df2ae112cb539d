# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's end of gvproxy's datagram socket, as vfkit has it: frames of DHCP, ARP and TCP, made by hand."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

MAGIC = b"VFKT"
ARP, IPV4 = b"\x08\x06", b"\x08\x00"
TCP, UDP = 6, 17
SYN, SYN_ACK = 0x02, 0x12
EVERYBODY = b"\xff" * 6
LARGEST = 65550
TRIES = 200
PATIENCE = 60.0
OPTIONS = b"\x63\x82\x53\x63"
ASKED, GIVEN_BY, END = b"\x32\x04", b"\x36\x04", 255
DISCOVER, REQUEST = 1, 3


@dataclass
class Guest:
    """``address`` is what DHCP has given, "0.0.0.0" before; the network's router answers for ``gateway``."""

    wire: socket.socket
    mac: bytes
    address: str = "0.0.0.0"
    gateway: bytes = EVERYBODY

    def lease(self) -> tuple[str, str, str]:
        """The address, the router's and the name server's, by DHCP."""
        self.wire.send(self._dhcp(DISCOVER, b""))
        offered, router, _ = self._await(_offer)
        asked = ASKED + socket.inet_aton(offered) + GIVEN_BY + socket.inet_aton(router)
        self.wire.send(self._dhcp(REQUEST, asked))
        given = self._await(_offer)
        self.address = given[0]
        return given

    def resolve(self, address: str) -> bytes:
        """The MAC address of whoever has an address."""
        self._send_arp(1, EVERYBODY, b"\0" * 6, socket.inet_aton(address))
        self.gateway = self._await(lambda frame: frame[22:28] if _is_arp(frame, 2, address) else None)
        return self.gateway

    def called(self) -> tuple[str, int]:
        """The address and port of the guest that somebody begins to connect to."""
        return self._await(self._syn)

    def call(self, address: str, port: int) -> bool:
        """Whether somebody accepts a connection at an address and port."""
        segment = struct.pack(">HHIIBBHHH", 40000, port, 1, 0, 5 << 4, SYN, 65535, 0, 0)
        ends = socket.inet_aton(self.address) + socket.inet_aton(address)
        total = _checksum(ends + struct.pack(">BBH", 0, TCP, len(segment)) + segment)
        segment = segment[:16] + struct.pack(">H", total) + segment[18:]
        self.wire.send(self.gateway + self.mac + IPV4 + _packet(self.address, address, TCP, segment))
        return self._await(lambda frame: _flags(frame, port) == SYN_ACK or None)

    def _syn(self, frame: bytes) -> tuple[str, int] | None:
        if _is_arp(frame, 1) and frame[38:42] == socket.inet_aton(self.address):
            self._send_arp(2, frame[6:12], frame[22:28], frame[28:32])
        elif frame[12:14] == IPV4 and frame[23] == TCP and frame[47] == SYN:
            return socket.inet_ntoa(frame[30:34]), int.from_bytes(frame[36:38], "big")
        return None

    def _send_arp(self, kind: int, to: bytes, mac: bytes, address: bytes) -> None:
        own = self.mac + socket.inet_aton(self.address)
        self.wire.send(
            to + self.mac + ARP + struct.pack(">HHBBH", 1, 0x800, 6, 4, kind) + own + mac + address
        )

    def _dhcp(self, kind: int, more: bytes) -> bytes:
        options = OPTIONS + bytes([53, 1, kind]) + b"\x37\x03\x01\x03\x06" + more + bytes([END])
        head = struct.pack(">BBBBIHH", 1, 1, 6, 0, 0x1234, 0, 0x8000)
        message = head + b"\0" * 16 + self.mac + b"\0" * 202 + options
        datagram = struct.pack(">HHHH", 68, 67, 8 + len(message), 0) + message
        return EVERYBODY + self.mac + IPV4 + _packet("0.0.0.0", "255.255.255.255", UDP, datagram)

    def _await(self, found: Callable[[bytes], T | None]) -> T:
        for _ in range(TRIES):
            result = found(self.wire.recv(LARGEST))
            if result is not None:
                return result
        raise AssertionError("no such frame has come")


@contextlib.contextmanager
def plugged_in(switch: Path, mac: str) -> Iterator[Guest]:
    """A guest at a switch's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.bind(str(switch.with_name("vfkit-1-1.sock")))
        wire.connect(str(switch))
        wire.settimeout(PATIENCE)
        wire.send(MAGIC)
        yield Guest(wire, bytes.fromhex(mac.replace(":", "")))


def _offer(frame: bytes) -> tuple[str, str, str] | None:
    """The address, router and name server of a DHCP server's answer."""
    if frame[12:14] != IPV4 or frame[23] != UDP or frame[36:38] != struct.pack(">H", 68):
        return None
    message, found = frame[42:], dict[int, bytes]()
    at = message.index(OPTIONS) + len(OPTIONS)
    while message[at] != END:
        length = message[at + 1]
        found[message[at]] = message[at + 2 : at + 2 + length]
        at += 2 + length
    router, server = (socket.inet_ntoa(found[each][:4]) for each in (3, 6))
    return socket.inet_ntoa(message[16:20]), router, server


def _is_arp(frame: bytes, kind: int, sender: str = "") -> bool:
    if frame[12:14] != ARP or int.from_bytes(frame[20:22], "big") != kind:
        return False
    return not sender or frame[28:32] == socket.inet_aton(sender)


def _flags(frame: bytes, port: int) -> int:
    """Of a TCP segment that comes from a port; 0 for another frame."""
    is_ours = frame[12:14] == IPV4 and frame[23] == TCP and frame[34:36] == struct.pack(">H", port)
    return frame[47] if is_ours else 0


def _packet(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0) + ends
    return head[:10] + struct.pack(">H", _checksum(head)) + head[12:] + payload


def _checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
