# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which macOS's DHCP server keeps its leases: the newest entry first, octets without zeros."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from support.apple.faults import Fault

VARIABLE = "CALLAO_STAND_IN_LEASES"
SSH = 22
LOOPBACK = "127.64.{}.{}"


def free_address() -> str:
    """One of loopback's at which nobody listens on ssh's port."""
    for number in range(2, 1 << 16):
        address = LOOPBACK.format(number >> 8, number & 0xFF)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, SSH))
            except OSError:
                continue
        return address
    raise OSError("no free address")


def write(mac: str, address: str, faults: frozenset[Fault]) -> None:
    """Add a lease to the file; nothing happens where none is named."""
    name = os.environ.get(VARIABLE)
    if not name or Fault.LEASE_ABSENT in faults:
        return
    path = Path(name)
    before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    short = ":".join(f"{int(octet, 16):x}" for octet in mac.split(":"))
    if Fault.LEASE_OTHERS in faults:
        short = "2:0:0:0:0:1"
    text = entry(short, address) + before
    if Fault.LEASE_HALF in faults:
        text = text[: text.index("hw_address") + 20]
    path.write_bytes(b"\x00\xff{{{\n}\nip_address=\n" if Fault.LEASE_GARBAGE in faults else text.encode())


def entry(mac: str, address: str) -> str:
    lines = [
        "name=lima",
        f"ip_address={address}",
        f"hw_address=1,{mac}",
        f"identifier=1,{mac}",
        "lease=0x6a0b1c2d",
    ]
    return "{\n" + "".join(f"\t{line}\n" for line in lines) + "}\n"
