# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames as a guest, or QEMU's network stack, sends them, with right checksums."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from callao.networks.usernet.packets import checksum

GUEST, GATEWAY, DNS, OUTSIDE = "192.168.5.15", "192.168.5.2", "192.168.5.3", "93.184.216.34"
GUEST_MAC, STACK_MAC = b"\x52\x55\x55\x00\x00\x01", b"\x52\x55\xc0\xa8\x05\x02"
SYN, ACK, RST = 0x02, 0x10, 0x04


def address(text: str) -> bytes:
    return IPv4Address(text).packed


def ethernet(payload: bytes, ethertype: int = 0x0800) -> bytes:
    return STACK_MAC + GUEST_MAC + struct.pack(">H", ethertype) + payload


def ipv4(protocol: int, source: str, target: str, payload: bytes, fragment: int = 0) -> bytes:
    head = struct.pack(
        ">BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(payload),
        1,
        fragment,
        64,
        protocol,
        0,
        address(source),
        address(target),
    )
    return ethernet(head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload)


def tcp(
    target: tuple[str, int], flags: int = SYN, source: tuple[str, int] = (GUEST, 40000), payload: bytes = b""
) -> bytes:
    segment = struct.pack(">HHIIBBHHH", source[1], target[1], 7, 0, 0x50, flags, 1000, 0, 0) + payload
    segment = segment[:16] + struct.pack(">H", _checksum(6, source[0], target[0], segment)) + segment[18:]
    return ipv4(6, source[0], target[0], segment)


def udp(target: tuple[str, int], source: tuple[str, int] = (GUEST, 40000), payload: bytes = b"x") -> bytes:
    datagram = struct.pack(">HHHH", source[1], target[1], 8 + len(payload), 0) + payload
    datagram = datagram[:6] + struct.pack(">H", _checksum(17, source[0], target[0], datagram)) + datagram[8:]
    return ipv4(17, source[0], target[0], datagram)


def _checksum(protocol: int, source: str, target: str, data: bytes) -> int:
    pseudo = address(source) + address(target) + struct.pack(">HH", protocol, len(data))
    return checksum(pseudo + data) or 0xFFFF


def is_valid(frame: bytes) -> bool:
    """Whether both checksums are right."""
    pseudo = frame[26:34] + struct.pack(">HH", frame[23], len(frame) - 34)
    return checksum(frame[14:34]) == 0 and checksum(pseudo + frame[34:]) == 0


def ends(frame: bytes) -> tuple[str, int, str, int]:
    """Source and destination, each an address and a port."""
    ports = struct.unpack(">HH", frame[34:38])
    return str(IPv4Address(frame[26:30])), ports[0], str(IPv4Address(frame[30:34])), ports[1]
