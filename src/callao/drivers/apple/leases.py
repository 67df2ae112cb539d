# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that macOS's DHCP server has given away, from its file. Quick to import.

An entry is ``{``, lines ``key=value``, ``}``; ``hw_address`` is ``1,`` and the MAC address, whose octets
have no leading zeros. The newest entry comes first.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

_VARIABLE = "CALLAO_DHCPD_LEASES"
_FILE = "/var/db/dhcpd_leases"
_LARGEST = 1 << 22
"""Bytes that are read of it."""


def leases_file() -> Path:
    """macOS's, or the one that the environment names."""
    return Path(os.environ.get(_VARIABLE) or _FILE)


def address_of(mac_address: str, file: Path) -> str:
    """The newest address of a NIC; empty where it has none, or the file cannot be read."""
    try:
        with file.open("rb") as opened:
            text = opened.read(_LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""
    wanted = _octets(mac_address)
    for entry in text.split("{"):
        body, closed, _ = entry.partition("}")
        if not closed:
            continue
        fields = dict(line.strip().partition("=")[::2] for line in body.splitlines())
        if _octets(fields.get("hw_address", "").partition(",")[2]) == wanted:
            address = fields.get("ip_address", "").strip()
            if _is_address(address):
                return address
    return ""


def _octets(mac_address: str) -> tuple[int, ...]:
    try:
        return tuple(int(each, 16) for each in mac_address.strip().split(":"))
    except ValueError:
        return ()


def _is_address(text: str) -> bool:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_multicast)
