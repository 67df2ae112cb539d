# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation rules of the network: ``portForwards``, ``networks``, the resolver."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from callao.config.addresses import parse_address
from callao.config.egress_rules import ALLOWED, InvalidRule, parse_rule
from callao.errors import Problem
from callao.system import UNIX_PATH_MAX

_MAC = re.compile(
    r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}"
    r"|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}"
)
_INTERFACE = re.compile(r"[A-Za-z0-9_.-]{1,15}|\*")
_NO_RANGE = ("is one socket for many ports",)
_KINDS = "exactly one of lima, socket and vzNAT"


def forwards(filled: Mapping[str, Any]) -> Iterator[Problem]:
    """Rules of port forwarding: addresses, port ranges and sockets."""
    given = filled["_given"].get("portForwards") or []
    for index, rule in enumerate(filled["portForwards"]):
        place = f"portForwards[{index}]"
        for key in ("guestIP", "hostIP"):
            if key in rule and not _is_address(rule[key]):
                yield Problem(f"{place}.{key}", rule[key], "is not an address", "an IPv4 or IPv6 address")
        if filled.get("plain") and not rule.get("static"):
            continue  # has no effect, as the mounts of a plain instance
        if rule.get("guestIPMustBeZero") and rule["guestIP"] != "0.0.0.0":  # noqa: S104
            yield Problem(
                f"{place}.guestIPMustBeZero",
                True,
                f"is not for guestIP {rule['guestIP']}",
                "guestIP 0.0.0.0",
            )
        for side in ("guest", "host"):
            yield from _ports(given[index], side, place)
        yield from _sockets(rule, place, filled["_sockets"])
    local = (filled.get("ssh") or {}).get("localPort")
    if local == 22:
        yield Problem("ssh.localPort", local, "is the host's own ssh port", "0, or another port")


def _ports(given: Mapping[str, Any], side: str, place: str) -> Iterator[Problem]:
    """The ports of one side, as the user wrote them."""
    port, ports = given.get(f"{side}Port"), given.get(f"{side}PortRange")
    where = f"{place}.{side}Port" if port is not None else f"{place}.{side}PortRange"
    if port is not None and ports is not None and port != ports[0]:
        yield Problem(where, port, f"is not where {side}PortRange starts", str(ports[0]))
    if port is not None and given.get(f"{side}Socket"):
        yield Problem(where, port, f"cannot be set with {side}Socket", "one of them")
    if 22 in (port, *(ports or ())) and not given.get("ignore"):
        yield Problem(where, 22, "is ssh's, which has a forward already", "another port; see ssh.localPort")


def _sockets(rule: Mapping[str, Any], place: str, folder: str) -> Iterator[Problem]:
    guest, host = rule["guestPortRange"], rule["hostPortRange"]
    guest_socket, host_socket = rule.get("guestSocket"), rule.get("hostSocket")
    if guest_socket:
        yield from _socket(guest_socket, guest_socket, f"{place}.guestSocket")
        if not guest_socket.startswith("/"):
            yield Problem(f"{place}.guestSocket", guest_socket, "is not absolute", "an absolute path")
    if host_socket:
        path = host_socket if host_socket.startswith("/") else f"{folder}/{host_socket}"
        yield from _socket(host_socket, path, f"{place}.hostSocket")
    if not guest_socket and not host_socket and guest[1] - guest[0] != host[1] - host[0]:
        yield Problem(
            f"{place}.hostPortRange", list(host), "has not the guest range's length", "equal lengths"
        )
    if guest_socket and not host_socket and host[0] != host[1]:
        yield Problem(f"{place}.guestSocket", guest_socket, *_NO_RANGE, "a hostPort or a hostSocket")
    if host_socket and not guest_socket and guest[0] != guest[1]:
        yield Problem(f"{place}.hostSocket", host_socket, *_NO_RANGE, "a guestPort or a guestSocket")
    if rule.get("reverse") and not (guest_socket and host_socket):
        yield Problem(f"{place}.reverse", True, "is for sockets", "with guestSocket and hostSocket")


def _socket(value: str, path: str, place: str) -> Iterator[Problem]:
    if len(path.encode(errors="replace")) >= UNIX_PATH_MAX:
        allowed = f"fewer than {UNIX_PATH_MAX} bytes"
        if path != value:
            allowed += f", with the {len(path) - len(value)} of the instance's folder"
        yield Problem(place, value, "is too long for a socket", allowed)


def copies(filled: Mapping[str, Any]) -> Iterator[Problem]:
    """Both paths of each entry of ``copyToHost``."""
    for index, entry in enumerate(filled.get("copyToHost", [])):
        for side in ("guest", "host"):
            path = entry.get(side)
            if not path:
                yield Problem(f"copyToHost[{index}].{side}", path, "is missing", "an absolute path")
            elif not path.startswith("/"):
                yield Problem(f"copyToHost[{index}].{side}", path, "is not absolute", "an absolute path")


def networks(filled: Mapping[str, Any]) -> Iterator[Problem]:
    """Each network has exactly one kind, and an interface of its own."""
    seen: set[str] = set()
    for index, network in enumerate(filled["networks"]):
        place = f"networks[{index}]"
        kinds = [key for key in ("lima", "socket", "vzNAT") if network.get(key)]
        if len(kinds) != 1:
            yield Problem(place, kinds, "has no kind of network, or several", _KINDS)
        socket = network.get("socket")
        if socket:
            yield from _socket(socket, socket, f"{place}.socket")
            if _is_not_a_socket(socket):
                yield Problem(f"{place}.socket", socket, "is not a socket", "a socket, or nothing yet")
        mac = network["macAddress"]
        if not _MAC.fullmatch(mac):
            yield Problem(f"{place}.macAddress", mac, "is not a MAC address", "six hex pairs with :")
        name = network["interface"]
        if not _INTERFACE.fullmatch(name) or name == "eth0":
            yield Problem(
                f"{place}.interface", name, "cannot be an interface's name", "1 to 15 letters, not eth0"
            )
        if name in seen:
            yield Problem(f"{place}.interface", name, "is there twice", "a name of its own")
        seen.add(name)


def _is_not_a_socket(path: str) -> bool:
    """Whether there is something other than a socket."""
    try:
        return not stat.S_ISSOCK(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def resolver(filled: Mapping[str, Any]) -> Iterator[Problem]:
    """``dns`` needs ``hostResolver.enabled: false``; names of ``hosts`` are well-formed."""
    dns = filled.get("dns", [])
    if dns and (filled.get("hostResolver") or {}).get("enabled", True):
        yield Problem(
            "dns", list(dns), "has no effect while hostResolver.enabled", "hostResolver.enabled: false"
        )
    for index, address in enumerate(dns):
        if not _is_address(address):
            yield Problem(f"dns[{index}]", address, "is not an address", "an IPv4 or IPv6 address")

    for name, target in ((filled.get("hostResolver") or {}).get("hosts") or {}).items():
        for word in (name, str(target)):
            if not word or any(not each.isprintable() or each.isspace() for each in word):
                yield Problem(
                    f"hostResolver.hosts.{name}",
                    target,
                    "is not a name or an address",
                    "no spaces, not empty",
                )
                break


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except ValueError:
        return False
    return "%" not in text


def egress(filled: Mapping[str, Any]) -> Iterator[Problem]:
    """Rules of ``egress``: its entries, and what would lead past it."""
    given = filled["_given"].get("egress")
    if given is None:
        return
    entries = given.get("allow") or [] if isinstance(given, Mapping) else []
    for index, entry in enumerate(entries):
        try:
            parse_rule(entry)
        except InvalidRule as error:
            yield Problem(f"egress.allow[{index}]", entry, str(error), ALLOWED)
    if filled["networks"]:
        message = "lead past egress, which is for the first network interface"
        yield Problem("networks", f"{len(filled['networks'])} entries", message, "no entries, or no egress")
    if (filled.get("ssh") or {}).get("overVsock"):
        message = "would let the guest connect to the host past egress"
        yield Problem("ssh.overVsock", True, message, "false, or no egress")
