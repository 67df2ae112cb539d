# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses published container ports from the packet filter's rules. Pure functions.

Docker, CNI's portmap and netavark have this in common: a rule names protocol and port and ends in DNAT.
kube-proxy's rules for services end in DNAT without a port; they are not handled here.
"""

import sys

assert sys.platform == "linux"

import json
import shlex

from callao.guest.listeners.sockets import Listener
from callao.guest.messages import DNAT

OWN_CHAIN = "CALLAO"
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 (reported, not bound)
PROTOS = ("tcp", "udp")
LARGEST_RANGE = 4096
"""Largest number of ports of one rule: a host cannot forward ``-p 1-65535:1-65535``."""


def parse_iptables(text: str) -> "set[Listener]":
    """Parse the output of ``iptables-save -t nat``."""
    found = set()  # type: set[Listener]
    for line in text.splitlines():
        if line.startswith("-A ") and " DNAT " in line and not line.startswith(f"-A {OWN_CHAIN} "):
            found |= _parse_iptables_rule(line)
    return found


def _parse_iptables_rule(line: str) -> "set[Listener]":
    try:
        words = shlex.split(line)
    except ValueError:
        return set()
    options = {}
    for index, word in enumerate(words[:-1]):
        if word.startswith("-"):
            options[word] = None if words[index - 1] == "!" else words[index + 1]
    proto, ports = options.get("-p"), options.get("--dport") or options.get("--dports")
    if options.get("-j") != "DNAT" or proto not in PROTOS or not ports:
        return set()
    return _listeners(str(proto), [options.get("-d") or ANY_ADDRESS], _port_ranges(ports))


def _port_ranges(text: str) -> "list[tuple[int, int]]":
    """Parse ``80``, ``80:90`` and ``80,90:99``."""
    ranges = []
    for part in text.split(","):
        low, _, high = part.partition(":")
        if low.isdigit() and (not high or high.isdigit()):
            ranges.append((int(low), int(high or low)))
    return ranges


def _listeners(proto: str, addresses: "list[str]", ranges: "list[tuple[int, int]]") -> "set[Listener]":
    ports = [port for low, high in ranges if high - low < LARGEST_RANGE for port in range(low, high + 1)]
    hosts = [_single_host(address) for address in addresses]
    return {Listener(proto, host, port, DNAT) for host in hosts for port in ports if 0 < port < 65536}


def _single_host(address: str) -> str:
    """The address if it is of a single host; a rule for a network is reported as one for all addresses."""
    host, _, bits = address.partition("/")
    return host if bits in ("", "32", "128") else ANY_ADDRESS


def parse_tables(text: str) -> "set[tuple[str, str]]":
    """The families and names in the output of ``nft -j list tables``."""
    try:
        entries = json.loads(text)["nftables"]
        return {(entry["table"]["family"], entry["table"]["name"]) for entry in entries if "table" in entry}
    except (ValueError, TypeError, KeyError):
        return set()


def parse_nft(text: str) -> "set[Listener]":
    """Parse the output of ``nft -j list table FAMILY NAME`` (libnftables-json(5))."""
    try:
        entries = json.loads(text)["nftables"]
        return {
            each
            for entry in entries
            if "rule" in entry
            for each in _parse_nft_expression(entry["rule"]["expr"])
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        return set()


def _parse_nft_expression(statements: "list[dict[str, object]]") -> "set[Listener]":
    proto, addresses, ports, redirected = "", [ANY_ADDRESS], [], False
    for statement in statements:
        match = statement.get("match")
        if isinstance(match, dict) and match.get("op") in ("==", "in"):
            left, right = match["left"], match["right"]
            payload = left.get("payload") or {} if isinstance(left, dict) else {}
            if payload.get("field") == "dport":
                ports = _nft_port_ranges(right)
                proto = payload["protocol"] if payload["protocol"] in PROTOS else proto
            elif payload.get("field") == "daddr":
                addresses = _nft_addresses(right)
            elif isinstance(left, dict) and (left.get("meta") or {}).get("key") == "l4proto":
                proto = right
        target = statement.get("xt")
        is_xt_dnat = isinstance(target, dict) and target.get("name") == "DNAT"
        redirected = redirected or "dnat" in statement or is_xt_dnat
    return _listeners(proto, addresses, ports) if redirected and proto in PROTOS else set()


def _set_elements(value: object) -> "list[object]":
    if isinstance(value, dict) and isinstance(value.get("set"), list):
        return list(value["set"])
    return [value]


def _nft_port_ranges(value: object) -> "list[tuple[int, int]]":
    ranges = []
    for each in _set_elements(value):
        if isinstance(each, int):
            ranges.append((each, each))
        elif isinstance(each, dict) and "range" in each:
            low, high = each["range"]
            ranges.append((int(low), int(high)))
    return ranges


def _nft_addresses(value: object) -> "list[str]":
    elements = _set_elements(value)
    return [each if isinstance(each, str) else ANY_ADDRESS for each in elements]
