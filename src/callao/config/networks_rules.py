# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of networks.yaml: names, modes, addresses, and subnets that do not overlap."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

from callao.config.addresses import parse_address
from callao.config.names import INSTANCE_ALLOWED, is_instance_name
from callao.config.network import NetworkDefinition, NetworkMode
from callao.config.networks_fields import Fields
from callao.errors import Problem

MODES = ", ".join(NetworkMode)
_OWN_SUBNET = (NetworkMode.USER_V2, NetworkMode.HOST, NetworkMode.SHARED)
_DHCP = (NetworkMode.HOST, NetworkMode.SHARED)
DEFAULT_MASK = IPv4Address("255.255.255.0")
INTERFACE_ALLOWED = "letters and digits, with single '.', '_' or '-' between them, at most 15 long"
_LONGEST_INTERFACE = 15
_ADDRESS = "an IPv4 address, such as 192.168.107.1"
_PREFIXES = {NetworkMode.USER_V2: (8, 29), NetworkMode.HOST: (8, 30), NetworkMode.SHARED: (8, 30)}
"""The shortest and the longest prefix: addresses for the gateway and a guest, at most a class A network."""

_WIDEST_ON_LINUX = 16
"""Prefix length: the program keeps the addresses one by one."""

USER_MODE_SUBNET = IPv4Network("192.168.5.0/24")
"""Where eth0 of every guest is."""


def read_network(name: str, fields: Fields) -> NetworkDefinition | None:
    """One entry with its defaults; None where it has a problem, which is in ``fields.problems`` then."""
    if fields.value is not None and not isinstance(fields.value, Mapping):
        return None
    before = len(fields.problems)
    mode = _mode(fields)
    gateway, end, mask = (_address(fields, key) for key in ("gateway", "dhcpEnd", "netmask"))
    interface = fields.text("interface")
    fields.told_unknown()
    wrong_name = name_problem(name, fields.path)
    if wrong_name is not None:
        fields.problems.append(wrong_name)
    if interface and (len(interface) > _LONGEST_INTERFACE or not is_instance_name(interface)):
        message = "cannot be an interface's name"
        fields.problems.append(Problem(fields.place("interface"), interface, message, INTERFACE_ALLOWED))
    if mode is NetworkMode.BRIDGED and not interface:
        message = "is missing, and mode bridged needs one"
        fields.problems.append(Problem(fields.place("interface"), "", message, "an interface of the host"))
    if mode in _OWN_SUBNET and len(fields.problems) == before:
        fields.problems += _subnet_problems(fields, mode, gateway, end, mask)
    if mode is None or len(fields.problems) > before:
        return None
    if mode is NetworkMode.BRIDGED:
        return NetworkDefinition(name, mode, interface=interface)
    mask = mask or DEFAULT_MASK
    assert gateway is not None
    last = (end or default_dhcp_end(gateway, mask)) if mode in _DHCP else None
    return NetworkDefinition(name, mode, gateway, last, mask)


def name_problem(name: str, place: str) -> Problem | None:
    """What keeps ``name`` from being a network's, if anything does."""
    if is_instance_name(name):
        return None
    return Problem(place, name, "cannot be a network's name", INSTANCE_ALLOWED)


def read_replaced(fields: Fields) -> None:
    """Collect what no reader takes in an entry that the built-in one replaces."""
    fields.text("mode")
    fields.text("interface")
    for key in ("gateway", "dhcpEnd", "netmask"):
        _address(fields, key)


def linux_problems(network: NetworkDefinition) -> Iterator[Problem]:
    """What keeps the program that carries networks on Linux from carrying this one."""
    subnet, place = network.subnet, f"networks.{network.name}"
    if network.mode not in _DHCP or subnet is None:
        return
    if subnet.prefixlen < _WIDEST_ON_LINUX:
        yield Problem(
            f"{place}.netmask", str(network.netmask),
            f"is too wide for mode {network.mode} on Linux",
            f"from {_mask(_WIDEST_ON_LINUX)} to {_mask(_PREFIXES[network.mode][1])}",
        )  # fmt: skip
    elif not subnet.is_private or subnet.is_loopback or subnet.is_link_local:
        yield Problem(
            f"{place}.gateway", str(network.gateway),
            f"its subnet {subnet} is not private, and mode {network.mode} on Linux needs a private one",
            "a subnet in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
        )  # fmt: skip


def network_problems(group: str, networks: Mapping[str, NetworkDefinition | None]) -> Iterator[Problem]:
    """What is wrong between the parts of a file.

    :param networks: None for one that has a problem of its own.
    """
    if group and not is_instance_name(group):
        yield Problem("group", group, "cannot be a group's name", INSTANCE_ALLOWED)
    for one, other in combinations(networks.values(), 2):
        if one is not None and other is not None and _overlap(one.subnet, other.subnet):
            yield Problem(
                f"networks.{other.name}.gateway", str(other.gateway),
                f"its subnet {other.subnet} overlaps {one.subnet} of network {one.name}",
                "a subnet of its own",
            )  # fmt: skip


def default_dhcp_end(gateway: IPv4Address, mask: IPv4Address) -> IPv4Address:
    """The gateway with 254 as its last byte, where this is an address for guests; else their last one."""
    subnet = IPv4Network(f"{gateway}/{mask}", strict=False)
    usual = IPv4Address(int(gateway) | 0xFF) - 1
    last = subnet.broadcast_address - 1
    return usual if usual <= last and usual > gateway else last


def _mode(fields: Fields) -> NetworkMode | None:
    given = fields.text("mode")
    try:
        return NetworkMode(given)
    except ValueError:
        message = "is not a mode" if given else "is missing"
        fields.problems.append(Problem(fields.place("mode"), given, message, MODES))
        return None


def _address(fields: Fields, key: str) -> IPv4Address | None:
    given = fields.text(key)
    if not given:
        return None
    try:
        address = parse_address(given)
    except ValueError:
        address = None
    if isinstance(address, IPv4Address):
        return address
    allowed = "a mask, such as 255.255.255.0" if key == "netmask" else _ADDRESS
    fields.problems.append(Problem(fields.place(key), given, "is not an IPv4 address", allowed))
    return None


def _subnet_problems(
    fields: Fields,
    mode: NetworkMode,
    gateway: IPv4Address | None,
    end: IPv4Address | None,
    mask: IPv4Address | None,
) -> Iterator[Problem]:
    if gateway is None:
        message = f"is missing, and mode {mode} needs one"
        yield Problem(fields.place("gateway"), "", message, _ADDRESS)
        return
    shortest, longest = _PREFIXES[mode]
    length = _prefix_length(mask or DEFAULT_MASK)
    if length is None or not shortest <= length <= longest:
        allowed = f"from {_mask(shortest)} to {_mask(longest)}"
        yield Problem(fields.place("netmask"), str(mask), f"is no mask for mode {mode}", allowed)
        return
    subnet = IPv4Network((gateway, length), strict=False)
    hosts = f"an address from {subnet.network_address + 1} to {subnet.broadcast_address - 1}"
    if gateway.is_loopback or gateway.is_multicast or gateway.is_unspecified or gateway.is_reserved:
        yield Problem(fields.place("gateway"), str(gateway), "is no address of a network of hosts", _ADDRESS)
    elif gateway in (subnet.network_address, subnet.broadcast_address):
        yield Problem(fields.place("gateway"), str(gateway), f"is no host's address in {subnet}", hosts)
    elif mode in _DHCP:
        yield from _range_problems(fields, subnet, gateway, end)
    if mode in _DHCP and subnet.overlaps(USER_MODE_SUBNET):
        message = f"its subnet {subnet} overlaps {USER_MODE_SUBNET}, which every guest's eth0 has"
        yield Problem(fields.place("gateway"), str(gateway), message, "another subnet")


def _range_problems(
    fields: Fields, subnet: IPv4Network, gateway: IPv4Address, end: IPv4Address | None
) -> Iterator[Problem]:
    last = subnet.broadcast_address - 1
    if end is not None and not gateway < end <= last:
        allowed = f"an address from {gateway + 1} to {last}"
        message = f"is not behind the gateway in {subnet}"
        yield Problem(fields.place("dhcpEnd"), str(end), message, allowed)
    elif gateway == last:
        message = f"leaves no address for guests behind it in {subnet}"
        yield Problem(fields.place("gateway"), str(gateway), message, f"an address below {last}")


def _prefix_length(mask: IPv4Address) -> int | None:
    length = format(int(mask), "032b").rstrip("0").count("1")
    return length if mask == _mask(length) else None


def _mask(length: int) -> IPv4Address:
    return ipaddress.IPv4Network((0, length)).netmask


def _overlap(one: IPv4Network | None, other: IPv4Network | None) -> bool:
    return one is not None and other is not None and one.overlaps(other)
