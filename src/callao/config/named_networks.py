# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the networks that ``networks[].lima`` names against networks.yaml and this host."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

from callao.config.network import NetworkDefinition, NetworkMode, user_network_socket
from callao.config.networks_rules import USER_MODE_SUBNET, linux_problems
from callao.config.networks_yaml import networks_file, read_networks
from callao.errors import ConfigError, Problem
from callao.host import Host
from callao.system import UNIX_PATH_MAX


def name_problems(entries: list[Mapping[str, Any]], home: Path, host: Host) -> Iterator[Problem]:
    """A name that is not in the file, or one of a mode that this host does not have; a file with problems.

    :param home: ``LIMA_HOME``.
    """
    if not any(entry.get("lima") for entry in entries):
        return
    try:
        there = read_networks(home)
    except ConfigError as error:
        names = [entry["lima"] for entry in entries if entry.get("lima")]
        yield Problem("networks", names, f"cannot be looked up: {error}", "a networks.yaml without problems")
        return
    networks, program = there.by_name, there.paths.socket_vmnet
    modes = _modes(host, program)
    usable = ", ".join(name for name, each in networks.items() if each.mode in modes)
    for index, entry in enumerate(entries):
        name = entry.get("lima")
        if not name:
            continue
        if name not in networks:
            message = f"is not a network in {networks_file(home)}"
            yield Problem(f"networks[{index}].lima", name, message, usable)
        elif networks[name].mode not in modes:
            lacks = (
                f"needs {program or 'paths.socketVMNet'}, written by callao sudoers --program"
                if host.os == "linux"
                else "this host does not have"
            )
            message = f"is of mode {networks[name].mode}, which {lacks}"
            yield Problem(f"networks[{index}].lima", name, message, usable)
        elif host.os == "linux":
            for each in linux_problems(networks[name]):
                message = (
                    f"cannot be used: {networks_file(home)}: {each.path}: {each.value!r} {each.message}"
                )
                yield Problem(f"networks[{index}].lima", name, message, f"{each.path} {each.allowed}")
        if name in networks:
            for each in unusable(networks[name], home):
                yield each._replace(path=f"networks[{index}].lima", value=name)


def unusable(network: NetworkDefinition, home: Path) -> Iterator[Problem]:
    """What keeps guests from being in a network of mode ``user-v2``. Lima allows both in networks.yaml, so
    that they are no problem of the file.
    """
    if network.mode is not NetworkMode.USER_V2:
        return
    subnet = network.subnet
    if subnet is not None and subnet.overlaps(USER_MODE_SUBNET):
        message = f"its subnet {subnet} overlaps {USER_MODE_SUBNET}, which every guest's eth0 has"
        yield Problem("gateway", str(network.gateway), message, "a network with another subnet")
    path = home / user_network_socket(network.name)
    if len(os.fsencode(path)) >= UNIX_PATH_MAX:
        yield Problem(
            "name", network.name, f"the path {path} is too long for a unix socket", _name_allowed(home)
        )


def _name_allowed(home: Path) -> str:
    """The name is in the path twice."""
    most = 1 + (UNIX_PATH_MAX - 1 - len(os.fsencode(home / user_network_socket("n")))) // 2
    return f"a name of at most {most} bytes, or a shorter LIMA_HOME" if most > 0 else "a shorter LIMA_HOME"


def _modes(host: Host, program: str) -> frozenset[NetworkMode]:
    """Those that this host can carry; the others need a program that root has installed."""
    if host.os == "darwin" or (host.os == "linux" and program and Path(program).exists()):
        return frozenset(NetworkMode)
    return frozenset({NetworkMode.USER_V2})


def overlap_warnings(entries: list[Mapping[str, Any]], home: Path) -> Iterator[Problem]:
    """A subnet that an interface of this host is in, too: the host does not reach guests there."""
    names = [entry.get("lima") for entry in entries]
    if not any(names):
        return
    networks, interfaces = read_networks(home).by_name, host_interfaces()
    for index, name in enumerate(names):
        network = networks.get(name) if name else None
        for message in overlaps(network, interfaces) if network is not None else ():
            yield Problem(f"networks[{index}].lima", name, message, "another subnet in networks.yaml")


def overlaps(network: NetworkDefinition, interfaces: Mapping[str, list[IPv4Interface]]) -> Iterator[str]:
    """One message for each interface in the network's subnet; the network's own bridge, which has the
    gateway's address, is none.
    """
    subnet = network.subnet
    if subnet is None:
        return
    for name, addresses in interfaces.items():
        for each in addresses:
            if subnet.overlaps(each.network) and each.ip != network.gateway:
                yield f"its subnet {subnet} overlaps {each.network} of this host's interface {name}"


def host_interfaces() -> dict[str, list[IPv4Interface]]:
    """The IPv4 addresses of each interface of this host, with their subnets."""
    import socket

    import psutil

    return {
        name: [
            IPv4Interface(f"{each.address}/{each.netmask or '255.255.255.255'}")
            for each in addresses
            if each.family is socket.AF_INET
        ]
        for name, addresses in psutil.net_if_addrs().items()
    }
