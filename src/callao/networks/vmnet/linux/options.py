# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and checks the program's arguments. Pure, except for the folder and the group, which it looks at."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import argparse
import grp
import hashlib
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*", re.ASCII)
_LONGEST_NAME = 76
_LONGEST_INTERFACE = 15
_SOCKET = "socket_vmnet."
_MODES = ("host", "shared", "bridged")
_PREFIXES = range(16, 31)
"""Prefix lengths of a subnet: its addresses are kept one by one."""


class WrongOption(Exception):
    """An argument that the program does not take; the text names it."""


@dataclass(frozen=True)
class Options:
    """What the program carries.

    :param subnet: None in mode ``bridged``, as ``gateway`` and ``dhcp_end``.
    :param bridge: the host's bridge, in mode ``bridged``.
    """

    name: str
    mode: str
    socket: Path
    pid_file: Path
    group: int
    subnet: IPv4Network | None = None
    gateway: IPv4Address | None = None
    dhcp_end: IPv4Address | None = None
    bridge: str = ""

    @property
    def interface(self) -> str:
        """The host's interface in the network."""
        short = f"lima-{self.name}"
        if len(short) <= _LONGEST_INTERFACE:
            return short
        return f"lima{hashlib.sha256(self.name.encode()).hexdigest()[:10]}"

    @property
    def leases(self) -> Path:
        return self.pid_file.with_name(f"{self.name}_leases.json")


def read_options(arguments: Sequence[str]) -> Options:
    """:raises WrongOption: for the first argument that is wrong."""
    parser = argparse.ArgumentParser(prog="socket_vmnet", allow_abbrev=False)
    for name in ("pidfile", "socket-group"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--vmnet-mode", required=True, choices=_MODES)
    for name in ("interface", "gateway", "dhcp-end", "mask"):
        parser.add_argument(f"--vmnet-{name}", default="")
    parser.add_argument("socket")
    given = parser.parse_args(arguments)
    socket, pid_file = Path(given.socket), Path(given.pidfile)
    name = socket.name.removeprefix(_SOCKET)
    if not socket.name.startswith(_SOCKET) or not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise WrongOption(f"{socket} does not end in {_SOCKET}NAME")
    if pid_file != socket.with_name(f"{name}_socket_vmnet.pid"):
        raise WrongOption(f"--pidfile: {pid_file} is not {name}_socket_vmnet.pid beside the socket")
    _check_folder(socket.parent)
    common = (name, given.vmnet_mode, socket, pid_file, _group(given.socket_group))
    if given.vmnet_mode == "bridged":
        if given.vmnet_gateway or given.vmnet_mask or given.vmnet_dhcp_end:
            raise WrongOption("--vmnet-gateway, --vmnet-mask and --vmnet-dhcp-end are not for mode bridged")
        return Options(*common, bridge=_bridge(given.vmnet_interface))
    if given.vmnet_interface:
        raise WrongOption("--vmnet-interface is for mode bridged")
    subnet, gateway, end = _addresses(given.vmnet_gateway, given.vmnet_mask, given.vmnet_dhcp_end)
    return Options(*common, subnet, gateway, end)


def _check_folder(folder: Path) -> None:
    """Root's alone, up to the root: who can change it could have root write anywhere."""
    if not folder.is_absolute() or ".." in folder.parts:
        raise WrongOption(f"{folder} is not an absolute path without '..'")
    for each in (folder, *folder.parents):
        try:
            found = each.lstat()
        except OSError as error:
            raise WrongOption(f"{each} cannot be looked at: {error.strerror}") from None
        if not stat.S_ISDIR(found.st_mode):
            raise WrongOption(f"{each} is not a directory")
        if (
            found.st_uid != 0
            or found.st_mode & stat.S_IWOTH
            or (found.st_mode & stat.S_IWGRP and _foreign(found.st_gid))
        ):
            raise WrongOption(f"{each} can be changed by others than root")


def _foreign(gid: int) -> bool:
    """Whether a group's members are users: neither root's group nor that of daemons."""
    return gid not in {grp.getgrnam("root").gr_gid, grp.getgrnam("daemon").gr_gid}


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise WrongOption(f"--socket-group: this host has no group {name!r}") from None


def _bridge(name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_INTERFACE:
        raise WrongOption(f"--vmnet-interface: {name!r} cannot be an interface's name")
    if not Path("/sys/class/net", name, "bridge").is_dir():
        raise WrongOption(
            f"--vmnet-interface: {name} is not a bridge of this host; make one that has the interface"
        )
    return name


def _addresses(gateway: str, mask: str, end: str) -> tuple[IPv4Network, IPv4Address, IPv4Address]:
    try:
        subnet = IPv4Network(f"{gateway}/{mask}", strict=False)
        first, last = IPv4Address(gateway), IPv4Address(end)
    except ValueError as error:
        raise WrongOption(f"--vmnet-gateway, --vmnet-mask, --vmnet-dhcp-end: {error}") from None
    if str(subnet.netmask) != mask or subnet.prefixlen not in _PREFIXES:
        raise WrongOption(f"--vmnet-mask: {mask} is not one of 255.255.0.0 to 255.255.255.252")
    if not subnet.is_private or subnet.is_loopback or subnet.is_link_local:
        raise WrongOption(f"--vmnet-gateway: {subnet} is not a private subnet")
    if not subnet.network_address < first < last < subnet.broadcast_address:
        raise WrongOption(f"--vmnet-dhcp-end: {last} is not behind {first} in {subnet}")
    return subnet, first, last
