# SPDX-License-Identifier: GPL-3.0-or-later
"""A network as somebody asks for it, and the entry of networks.yaml that says so. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from callao.config.network import NetworkMode
from callao.config.networks_rules import DEFAULT_MASK, MODES, default_dhcp_end
from callao.errors import ConfigError, Problem

Entry = dict[str, Any]

_GATEWAY = "an IPv4 address, or one with its prefix, such as 192.168.107.1/24"


class NetworkState(enum.StrEnum):
    """The module's ``state``."""

    PRESENT = "present"
    ABSENT = "absent"


@dataclass(frozen=True, kw_only=True)
class NetworkRequest:
    """One network; what is None stays as it is.

    :param mode: of a new network ``user-v2`` when not given.
    :param gateway: an address, or one with a prefix as in ``192.168.107.1/24``.
    :param force: delete it although instances name it.
    :param new: refuse it when there is a network of that name.
    """

    name: str
    mode: str | None = None
    gateway: str | None = None
    netmask: str | None = None
    dhcp_end: str | None = None
    interface: str | None = None
    state: str = NetworkState.PRESENT
    force: bool = False
    new: bool = False


def wanted_entry(request: NetworkRequest, given: Mapping[str, Any]) -> Entry:
    """The entry that says what is asked for.

    :param given: the network's entry as it is; empty for a new one.
    :raises ConfigError: with every option that does not fit the mode.
    """
    mode = _mode(request.mode or given.get("mode") or NetworkMode.USER_V2)
    problems = list(_misfits(request, mode))
    if problems:
        raise ConfigError(problems)
    if mode is NetworkMode.BRIDGED:
        interface = request.interface or given.get("interface")
        if not interface:
            raise ConfigError(
                [Problem("interface", "", "is needed in mode bridged", "an interface of the host")]
            )
        return {"mode": mode.value, "interface": interface}
    address, mask = _address(request, given)
    entry: Entry = {"mode": mode.value, "gateway": address}
    if mode is not NetworkMode.USER_V2:
        entry["dhcpEnd"] = _dhcp_end(request, given, address, mask)
    return entry | {"netmask": mask}


def _mode(word: object) -> NetworkMode:
    try:
        return NetworkMode(str(word))
    except ValueError:
        raise ConfigError([Problem("mode", word, "is not a mode", MODES)]) from None


def _misfits(request: NetworkRequest, mode: NetworkMode) -> Iterator[Problem]:
    of_subnets = {"gateway": request.gateway, "netmask": request.netmask}
    if mode is NetworkMode.BRIDGED:
        refused = {**of_subnets, "dhcp_end": request.dhcp_end}
    elif mode is NetworkMode.USER_V2:
        refused = {"interface": request.interface, "dhcp_end": request.dhcp_end}
    else:
        refused = {"interface": request.interface}
    for option, value in refused.items():
        if value:
            yield Problem(option, value, f"is not for mode {mode}", "nothing")


def _address(request: NetworkRequest, given: Mapping[str, Any]) -> tuple[str, str]:
    """Gateway and netmask."""
    asked = request.gateway or given.get("gateway")
    if not asked:
        raise ConfigError([Problem("gateway", "", "is needed for a new network", _GATEWAY)])
    address, slash, _ = str(asked).partition("/")
    if not slash:
        return address, request.netmask or str(given.get("netmask") or DEFAULT_MASK)
    try:
        both = IPv4Interface(asked)
    except ValueError:
        raise ConfigError(
            [Problem("gateway", asked, "is not an IPv4 address with a prefix", _GATEWAY)]
        ) from None
    mask = str(both.netmask)
    if request.netmask and request.netmask != mask:
        raise ConfigError([Problem("netmask", request.netmask, f"is not that of gateway {asked}", mask)])
    return str(both.ip), mask


def _dhcp_end(request: NetworkRequest, given: Mapping[str, Any], address: str, mask: str) -> str:
    if request.dhcp_end:
        return request.dhcp_end
    same = (given.get("gateway"), given.get("netmask") or str(DEFAULT_MASK)) == (address, mask)
    if same and given.get("dhcpEnd"):
        return str(given["dhcpEnd"])
    try:
        return str(default_dhcp_end(IPv4Address(address), IPv4Address(mask)))
    except ValueError:
        return ""  # what is wrong with the addresses is told when the whole file is read
