# SPDX-License-Identifier: GPL-3.0-or-later
"""The records that ``_config/networks.yaml`` is read into, with every default filled in."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath


def user_network_socket(name: str) -> PurePosixPath:
    """Where below ``LIMA_HOME`` the daemon of a network of mode ``user-v2`` listens."""
    return PurePosixPath("_networks", name, f"{name}_ep.sock")


class NetworkMode(enum.StrEnum):
    """Who carries the frames of a network, and what its guests reach."""

    USER_V2 = "user-v2"
    """A daemon without privileges: guests reach each other, the host, and what the host reaches."""
    HOST = "host"
    """A bridge of the host: guests reach each other and the host."""
    SHARED = "shared"
    """The same, and by NAT what the host reaches."""
    BRIDGED = "bridged"
    """An interface of the host: guests are in its network, which gives them addresses."""


@dataclass(frozen=True)
class NetworkDefinition:
    """One network.

    :param gateway: the address that gives the subnet; in the modes ``host`` and ``shared`` it is also the
        host's address there. None in mode ``bridged``.
    :param dhcp_end: the last address for guests; None in the modes ``user-v2`` and ``bridged``.
    :param netmask: None in mode ``bridged``.
    :param interface: of the host, in mode ``bridged``.
    """

    name: str
    mode: NetworkMode
    gateway: IPv4Address | None = None
    dhcp_end: IPv4Address | None = None
    netmask: IPv4Address | None = None
    interface: str = ""

    @property
    def subnet(self) -> IPv4Network | None:
        """The addresses of the network; None in mode ``bridged``, where others decide them."""
        if self.gateway is None or self.netmask is None:
            return None
        return IPv4Network(f"{self.gateway}/{self.netmask}", strict=False)


@dataclass(frozen=True)
class VmnetPaths:
    """The paths of the program that carries ``host``, ``shared`` and ``bridged``.

    :param socket_vmnet: the program, socket_vmnet or vmnet-helper; empty for none.
    :param var_run: the folder of its pid files and sockets.
    :param sudoers: the file that lets a group start it; empty for none.
    """

    socket_vmnet: str
    var_run: str
    sudoers: str

    @property
    def is_vmnet_helper(self) -> bool:
        """Whether the program is vmnet-helper, which has other options and runs once for each interface."""
        return PurePosixPath(self.socket_vmnet).name == "vmnet-helper"


@dataclass(frozen=True)
class Networks:
    """All of networks.yaml.

    :param group: who may start socket_vmnet and use its sockets.
    :param by_name: sorted by name.
    """

    paths: VmnetPaths
    group: str
    by_name: Mapping[str, NetworkDefinition]
