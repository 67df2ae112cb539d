# SPDX-License-Identifier: GPL-3.0-or-later
"""Ethernet frames and the headers inside them: constants, reading, and writing. Pure."""

from __future__ import annotations

import struct
from typing import TypeAlias

Frame: TypeAlias = bytes | bytearray | memoryview
"""From the destination's MAC address on."""

LENGTH = struct.Struct(">I")
"""What QEMU's stream sockets write before each frame, see qemu(1), ``-netdev stream``."""

SHORTEST = 14
"""An Ethernet header."""

LONGEST = 1518
"""An Ethernet header, a VLAN tag, and the 1500 bytes that DHCP tells the guests."""

LONGEST_STREAM_FRAME = 1 << 17
"""QEMU sends up to 68 KiB (its ``NET_BUFSIZE``); a greater length means that the stream is out of step."""

STREAM_BUFFER = 1 << 19
"""Bytes of a stream that the kernel keeps until the other end reads them, so that each end can go on while
the other does not run. The kernel allows less where its own limit is lower."""

MTU = 1500
BROADCAST = b"\xff" * 6

IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
VLAN, SERVICE_VLAN = 0x8100, 0x88A8
TCP, UDP = 6, 17

IP_AT = 14
"""Where the payload of an untagged frame begins."""

ARP_SENDER_MAC, ARP_SENDER_IP, ARP_TARGET_IP, ARP_END = 22, 28, 38, 42
"""Offsets in a frame with an ARP packet for IPv4, RFC 826."""

_ARP_ETHERNET_IPV4 = b"\x00\x01\x08\x00\x06\x04"
_IP = struct.Struct(">BBHHHBBH4s4s")
_UDP = struct.Struct(">HHHH")
_TTL = 64


def is_arp(frame: Frame) -> bool:
    """Whether an ARP frame is whole, and about IPv4 on Ethernet."""
    return len(frame) >= ARP_END and bytes(frame[14:20]) == _ARP_ETHERNET_IPV4


def transport(frame: Frame) -> int | None:
    """Where TCP's or UDP's header begins; None when it is not in this frame."""
    if len(frame) < IP_AT + 20:
        return None
    header = (frame[IP_AT] & 0x0F) * 4
    fragment = (frame[IP_AT + 6] & 0x1F) << 8 | frame[IP_AT + 7]
    at = IP_AT + header
    if header < 20 or fragment or at + 8 > len(frame):
        return None
    return at


def is_fragment(frame: Frame) -> bool:
    """Whether an IPv4 frame is a fragment that is not the first: its ports are in another frame."""
    return len(frame) >= IP_AT + 8 and bool((frame[IP_AT + 6] & 0x1F) << 8 | frame[IP_AT + 7])


def port_at(frame: Frame, at: int) -> int:
    """The 16-bit number at an offset."""
    return int.from_bytes(frame[at : at + 2], "big")


def rewrite_port(frame: memoryview | bytearray, header: int, offset: int, new: int) -> None:
    """Replace a port of TCP or UDP, and correct the checksum as in RFC 1624, equation 3.

    :param offset: of the port in its header: 0 is the source's, 2 the destination's.
    """
    old = port_at(frame, header + offset)
    frame[header + offset : header + offset + 2] = new.to_bytes(2, "big")
    is_udp = frame[IP_AT + 9] == UDP
    at = header + (6 if is_udp else 16)
    if at + 2 > len(frame):
        return
    before = port_at(frame, at)
    if is_udp and before == 0:  # it has none
        return
    total = (before ^ 0xFFFF) + (old ^ 0xFFFF) + new
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    after = total ^ 0xFFFF
    frame[at : at + 2] = (after or 0xFFFF if is_udp else after).to_bytes(2, "big")


def udp_frame(
    macs: tuple[bytes, bytes], addresses: tuple[bytes, bytes], ports: tuple[int, int], payload: bytes
) -> bytes:
    """A frame with a UDP datagram; each pair is source, destination.

    Without UDP's checksum, which is optional over IPv4 (RFC 768).
    """
    size = _UDP.size + len(payload)
    head = _IP.pack(0x45, 0, _IP.size + size, 0, 0, _TTL, UDP, 0, *addresses)
    head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    ethernet = macs[1] + macs[0] + IPV4.to_bytes(2, "big")
    return ethernet + head + _UDP.pack(*ports, size, 0) + payload


def checksum(data: bytes) -> int:
    """The Internet checksum, RFC 1071."""
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
