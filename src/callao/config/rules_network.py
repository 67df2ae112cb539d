# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for what crosses the guest's edge: ``portForwards``, ``networks``, the resolver."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from callao.config.names import UNIX_PATH_MAX
from callao.errors import Problem

_MAC = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}")
_INTERFACE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_KINDS = "exactly one of lima, socket and vzNAT"


def forwards(filled: Mapping[str, Any]) -> Iterator[Problem]:
    """Addresses, ranges and sockets that fit each other."""
    for index, rule in enumerate(filled["portForwards"]):
        place = f"portForwards[{index}]"
        for key in ("guestIP", "hostIP"):
            if key in rule and not _is_address(rule[key]):
                yield Problem(f"{place}.{key}", rule[key], "is not an address", "an IPv4 or IPv6 address")
        guest, host = rule["guestPortRange"], rule["hostPortRange"]
        if guest[1] - guest[0] != host[1] - host[0]:
            yield Problem(
                f"{place}.hostPortRange", list(host), "has not the guest range's length", "equal lengths"
            )
        if guest[0] == guest[1] == 22 and not rule.get("ignore"):
            yield Problem(f"{place}.guestPort", 22, "is forwarded for ssh already", "ssh.localPort")
        for key in ("guestSocket", "hostSocket"):
            yield from _socket(rule.get(key), f"{place}.{key}")
        if rule.get("reverse") and not (rule.get("guestSocket") and rule.get("hostSocket")):
            yield Problem(f"{place}.reverse", True, "is for sockets", "with guestSocket and hostSocket")


def _socket(path: str | None, place: str) -> Iterator[Problem]:
    if path is None:
        return
    if place.endswith("guestSocket") and not path.startswith("/"):
        yield Problem(place, path, "is not absolute", "an absolute path")
    if len(path.encode()) >= UNIX_PATH_MAX:
        yield Problem(place, path, "is too long for a socket", f"fewer than {UNIX_PATH_MAX} bytes")


def networks(filled: Mapping[str, Any]) -> Iterator[Problem]:
    """Each of one kind, with a name and an address of its own."""
    seen: set[str] = set()
    for index, network in enumerate(filled["networks"]):
        place = f"networks[{index}]"
        kinds = [key for key in ("lima", "socket", "vzNAT") if network.get(key)]
        if len(kinds) != 1:
            yield Problem(place, kinds, "is of no kind, or of several", _KINDS)
        if not _MAC.fullmatch(network["macAddress"]):
            yield Problem(
                f"{place}.macAddress", network["macAddress"], "is not a MAC address", "six hex pairs with :"
            )
        name = network["interface"]
        if not _INTERFACE.fullmatch(name) or name == "eth0":
            yield Problem(
                f"{place}.interface", name, "cannot be an interface's name", "1 to 15 letters, not eth0"
            )
        if name in seen:
            yield Problem(f"{place}.interface", name, "is there twice", "a name of its own")
        seen.add(name)


def resolver(filled: Mapping[str, Any]) -> Iterator[Problem]:
    """``dns`` is for when the host's resolver is off."""
    dns = filled.get("dns", [])
    if dns and (filled.get("hostResolver") or {}).get("enabled", True):
        yield Problem(
            "dns", list(dns), "has no effect while hostResolver.enabled", "hostResolver.enabled: false"
        )
    for index, address in enumerate(dns):
        if not _is_address(address):
            yield Problem(f"dns[{index}]", address, "is not an address", "an IPv4 or IPv6 address")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
