# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the TCP reset that tells a guest at once that a connection is refused. Pure."""

from __future__ import annotations

import struct

from callao.networks.usernet.packets import IP_AT, TCP, Frame, checksum, port_at

_IP = struct.Struct(">BBHHHBBH4s4s")
_TCP = struct.Struct(">HHIIBBHHH")
_RST_ACK = 0x14
_TTL = 64


def reset_frame(syn: Frame) -> bytes:
    """The answer to the first frame of a connection (RFC 9293 section 3.10.7.1), which has 20 bytes of IPv4
    header."""
    at = IP_AT + 20
    source, target = bytes(syn[26:30]), bytes(syn[30:34])
    sequence = (int.from_bytes(syn[at + 4 : at + 8], "big") + 1) & 0xFFFFFFFF
    segment = _TCP.pack(port_at(syn, at + 2), port_at(syn, at), 0, sequence, 0x50, _RST_ACK, 0, 0, 0)
    pseudo = target + source + struct.pack(">HH", TCP, len(segment))
    segment = segment[:16] + checksum(pseudo + segment).to_bytes(2, "big") + segment[18:]
    head = _IP.pack(0x45, 0, _IP.size + len(segment), 0, 0, _TTL, TCP, 0, target, source)
    head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    return bytes(syn[6:12]) + bytes(syn[:6]) + bytes(syn[12:14]) + head + segment
