# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of a guest's first NIC: addresses of guest, gateway and name server."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class AddressSource(enum.Enum):
    """Which DHCP server gives the guest its address."""

    HYPERVISOR = enum.auto()
    """The hypervisor's: the guest is alone there, and its address is known before it boots."""
    NETWORK = enum.auto()
    """That of a network which other machines are in, too."""


@dataclass(frozen=True)
class GuestNetwork:
    """IPv4 addresses, as text."""

    subnet: str
    """With its prefix length."""
    guest: str
    """Empty where nobody knows it before the guest has asked."""
    gateway: str
    """The host, as the guest sees it."""
    dns: str
    """The name server of the network itself; empty where its DHCP server names one."""
    addresses: AddressSource
    gateway_is_loopback: bool = True
    """Whether what the guest sends to the gateway reaches servers at the host's 127.0.0.1."""


USER_MODE = GuestNetwork(
    subnet="192.168.5.0/24",
    guest="192.168.5.15",
    gateway="192.168.5.2",
    dns="192.168.5.3",
    addresses=AddressSource.HYPERVISOR,
)
"""Lima's addresses: scripts in templates rely on them."""
