# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses published container ports from the packet filter's rules: each with the container's address, or ""
where the rule's text does not name it. Pure functions.

Docker, CNI's portmap and netavark have this in common: a rule names protocol and port and ends in DNAT.
kube-proxy's rules for services end in DNAT without a port; they are not handled here.
"""

import sys

assert sys.platform == "linux"

import json

from callao.guest.listeners.sockets import Listener
from callao.guest.messages import DNAT
from callao.guest.packet_filter.iptables import rule_options

OWN_CHAIN = "CALLAO"
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 (reported, not bound)
PROTOS = ("tcp", "udp")
LARGEST_RANGE = 4096
"""Largest number of ports of one rule: a host cannot forward ``-p 1-65535:1-65535``."""


def parse_iptables(text: str) -> "dict[Listener, str]":
    """Parse the output of ``iptables-save -t nat``."""
    found = {}  # type: dict[Listener, str]
    for line in text.splitlines():
        if line.startswith("-A ") and " DNAT " in line and not line.startswith(f"-A {OWN_CHAIN} "):
            found.update(_parse_iptables_rule(rule_options(line)))
    return found


def _parse_iptables_rule(options: "dict[str, str | None]") -> "dict[Listener, str]":
    proto, ports = options.get("-p"), options.get("--dport") or options.get("--dports")
    if options.get("-j") != "DNAT" or proto not in PROTOS or not ports:
        return {}
    container = (options.get("--to-destination") or "").partition(":")[0]
    return _listeners(str(proto), [options.get("-d") or ANY_ADDRESS], _port_ranges(ports), container)


def _port_ranges(text: str) -> "list[tuple[int, int]]":
    """Parse ``80``, ``80:90`` and ``80,90:99``."""
    ranges = []
    for part in text.split(","):
        low, _, high = part.partition(":")
        if low.isdigit() and (not high or high.isdigit()):
            ranges.append((int(low), int(high or low)))
    return ranges


def _listeners(
    proto: str, addresses: "list[str]", ranges: "list[tuple[int, int]]", container: str
) -> "dict[Listener, str]":
    ports = [port for low, high in ranges if high - low < LARGEST_RANGE for port in range(low, high + 1)]
    hosts = [_single_host(address) for address in addresses]
    return {
        Listener(proto, host, port, DNAT): container for host in hosts for port in ports if 0 < port < 65536
    }


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


def parse_nft(text: str) -> "dict[Listener, str]":
    """Parse the output of ``nft -j list table FAMILY NAME`` (libnftables-json(5))."""
    found = {}  # type: dict[Listener, str]
    try:
        for entry in json.loads(text)["nftables"]:
            if "rule" in entry:
                found.update(_parse_nft_expression(entry["rule"]["expr"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
    return found


def _parse_nft_expression(statements: "list[dict[str, object]]") -> "dict[Listener, str]":
    proto, addresses, ports = "", [ANY_ADDRESS], []
    container = None  # type: str | None
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
        container = _nft_target(statement) if container is None else container
    return {} if container is None or proto not in PROTOS else _listeners(proto, addresses, ports, container)


def _nft_target(statement: "dict[str, object]") -> "str | None":
    """Where a statement leads: None if nowhere, "" if to an address that it does not show."""
    target, translation = statement.get("xt"), statement.get("dnat")
    if isinstance(translation, dict) and isinstance(translation.get("addr"), str):
        return str(translation["addr"])
    is_xt_dnat = isinstance(target, dict) and target.get("name") == "DNAT"
    return "" if is_xt_dnat or "dnat" in statement else None


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
