# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the network interface at which the host reaches the guest."""

import sys

assert sys.platform == "linux"

import fcntl
import socket
import struct
from pathlib import Path
from typing import NamedTuple

SIOCGIFADDR = 0x8915  # linux/sockios.h, netdevice(7)
ROUTES = Path("/proc/net/route")


class Nic(NamedTuple):
    name: "str"
    address: "str"


def choose_nic(addresses: "dict[str, str]", default: "str | None", wanted: str) -> "Nic | None":
    """The interface that has the wanted address, otherwise the default route's."""
    for name, address in sorted(addresses.items()):
        if address == wanted:
            return Nic(name, address)
    return Nic(default, addresses[default]) if default in addresses and default is not None else None


def default_route(table: str) -> "str | None":
    """The interface of the best default route in /proc/net/route: destination and mask are zero."""
    rows = [line.split() for line in table.splitlines()[1:]]
    routes = [(int(row[6]), row[0]) for row in rows if len(row) > 7 and row[1] == row[7] == "00000000"]
    return min(routes)[1] if routes else None


def addresses() -> "dict[str, str]":
    """Each interface's first IPv4 address."""
    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(any_socket, SIOCGIFADDR, struct.pack("256s", name.encode()))
            except OSError:  # the interface has no IPv4 address
                continue
            found[name] = socket.inet_ntoa(answer[20:24])
    return found


def find_nic(wanted: str) -> "Nic | None":
    """The interface with the address that the host names, otherwise the default route's."""
    try:
        routes = ROUTES.read_text()
    except OSError:
        routes = ""
    return choose_nic(addresses(), default_route(routes), wanted)
