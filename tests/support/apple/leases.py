# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which macOS's DHCP server keeps its leases: the newest entry first, octets without zeros."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

from callao.atomic import write_file
from support.apple.faults import Fault

VARIABLE = "CALLAO_STAND_IN_LEASES"
SSH = 22
SUBNET = "192.168.64"


def address_for(mac: str) -> str:
    """One of loopback's for each NIC, which it has again, as from a Mac's DHCP server. Machines that begin
    at once need to agree on nothing."""
    digest = hashlib.sha256(mac.lower().encode()).digest()
    return f"127.{64 + digest[0] % 64}.{digest[1]}.{1 + digest[2] % 254}"


def guest_address(mac: str) -> str:
    """What the guest calls itself."""
    return f"{SUBNET}.{2 + hashlib.sha256(mac.lower().encode()).digest()[3] % 250}"


def write(mac: str, address: str, faults: frozenset[Fault]) -> None:
    """Add a lease to the file; nothing happens where none is named."""
    name = os.environ.get(VARIABLE)
    if not name or Fault.LEASE_ABSENT in faults:
        return
    with Path(f"{name}.lock").open("w") as lock:  # as one server writes it
        fcntl.flock(lock, fcntl.LOCK_EX)
        _write(Path(name), mac, address, faults)


def _write(path: Path, mac: str, address: str, faults: frozenset[Fault]) -> None:
    before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    short = ":".join(f"{int(octet, 16):x}" for octet in mac.split(":"))
    if Fault.LEASE_OTHERS in faults:
        short = "2:0:0:0:0:1"
    text = entry(short, address) + before
    if Fault.LEASE_HALF in faults:
        text = text[: text.index("hw_address") + 20]
    garbage = b"\x00\xff{{{\n}\nip_address=\n"
    write_file(path, garbage if Fault.LEASE_GARBAGE in faults else text.encode())


def entry(mac: str, address: str) -> str:
    lines = [
        "name=lima",
        f"ip_address={address}",
        f"hw_address=1,{mac}",
        f"identifier=1,{mac}",
        "lease=0x6a0b1c2d",
    ]
    return "{\n" + "".join(f"\t{line}\n" for line in lines) + "}\n"
