# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPv4 addresses that this host has at the moment."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address

import psutil


def own_addresses() -> frozenset[IPv4Address]:
    """Of all its interfaces: a service that listens on all of them is reached by each."""
    return frozenset(
        IPv4Address(each.address)
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
        if each.family == socket.AF_INET
    )
