# SPDX-License-Identifier: GPL-3.0-or-later
"""The first NIC's network: gvproxy's where there is one that can be used, else, for vfkit, macOS's NAT."""

from __future__ import annotations

import functools
import os
import sys

from callao.config import Config
from callao.drivers.apple.files import Sockets
from callao.drivers.apple.short_folder import folder_of
from callao.drivers.apple.tools import GVPROXY
from callao.guest_network import AddressSource, GuestNetwork
from callao.instances import InstancePaths
from callao.reach import Reach
from callao.ssh.proxy import by_unix_socket, unix_target

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
    """Whether the host has one that can be used.

    A process keeps its first answer: a running machine stays in its network when gvproxy is installed
    meanwhile.
    """
    return _has_gvproxy(os.environ.get("PATH", ""))


@functools.cache
def _has_gvproxy(_path: str) -> bool:
    return not GVPROXY.missing()


def by_lease(mac_address: str, paths: InstancePaths, config: Config, port: int) -> Reach:
    """To a guest in macOS's own network."""
    before = [unix_target(_socket(paths))] if config.ssh.over_vsock else []
    module = (sys.executable, "-P", "-m", "callao.drivers.apple.connect")
    return Reach(port, proxy_command=(*module, *before, mac_address))


def by_port(paths: InstancePaths, config: Config, port: int) -> Reach:
    """To a guest whose sshd gvproxy forwards a port to."""
    reach = Reach(port)
    return by_unix_socket(reach, _socket(paths)) if config.ssh.over_vsock else reach


def _socket(paths: InstancePaths) -> str:
    return str(Sockets(folder_of(paths)).ssh)
