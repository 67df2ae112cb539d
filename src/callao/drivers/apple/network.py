# SPDX-License-Identifier: GPL-3.0-or-later
"""The first NIC's network: gvproxy's where there is one that can be used, else, for vfkit, macOS's NAT."""

from __future__ import annotations

import sys

from callao.drivers.apple.tools import GVPROXY
from callao.guest_network import AddressSource, GuestNetwork
from callao.reach import Reach

NAT = GuestNetwork(
    subnet="192.168.64.0/24",
    guest="",
    gateway="192.168.64.1",
    dns="",
    addresses=AddressSource.NETWORK,
    gateway_is_loopback=False,
)
"""macOS's usual addresses. Its DHCP server names the name server."""


def has_gvproxy() -> bool:
    return not GVPROXY.missing()


def by_lease(mac_address: str, port: int) -> Reach:
    """To a guest in macOS's own network."""
    command = (sys.executable, "-P", "-m", "callao.drivers.apple.connect", mac_address)
    return Reach(port, proxy_command=command)
