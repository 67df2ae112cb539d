# SPDX-License-Identifier: GPL-3.0-or-later
"""Published container ports: rules that send a port of this machine elsewhere. Pure parsers.

Docker, CNI's portmap and netavark agree in this much: a rule names protocol and port and ends in DNAT.
kube-proxy's rules for services end in DNAT without a port, and are no business of this.
"""

import sys

assert sys.platform == "linux"

import json
import shlex

from callao.guest.listeners.sockets import Listener
from callao.guest.messages import DNAT

OURS = "CALLAO"
ANYWHERE = "0.0.0.0"  # noqa: S104 (told, not bound)
PROTOS = ("tcp", "udp")
LIMIT = 4096
"""Ports of one rule; ``-p 1-65535:1-65535`` is nothing that a host could forward."""


def from_iptables(text: str) -> "set[Listener]":
    """From ``iptables-save -t nat``."""
    found = set()  # type: set[Listener]
    for line in text.splitlines():
        if line.startswith("-A ") and " DNAT " in line and not line.startswith(f"-A {OURS} "):
            found |= _from_rule(line)
    return found


def _from_rule(line: str) -> "set[Listener]":
    try:
        words = shlex.split(line)
    except ValueError:
        return set()
    options = {}
    for at, word in enumerate(words[:-1]):
        if word.startswith("-"):
            options[word] = None if words[at - 1] == "!" else words[at + 1]
    proto, ports = options.get("-p"), options.get("--dport") or options.get("--dports")
    if options.get("-j") != "DNAT" or proto not in PROTOS or not ports:
        return set()
    return _listeners(str(proto), [options.get("-d") or ANYWHERE], _spans(ports))


def _spans(text: str) -> "list[tuple[int, int]]":
    """``80``, ``80:90`` and ``80,90:99``."""
    spans = []
    for part in text.split(","):
        low, _, high = part.partition(":")
        if low.isdigit() and (not high or high.isdigit()):
            spans.append((int(low), int(high or low)))
    return spans


def _listeners(proto: str, addresses: "list[str]", spans: "list[tuple[int, int]]") -> "set[Listener]":
    ports = [port for low, high in spans if high - low < LIMIT for port in range(low, high + 1)]
    hosts = [_host(address) for address in addresses]
    return {Listener(proto, host, port, DNAT) for host in hosts for port in ports if 0 < port < 65536}


def _host(address: str) -> str:
    """The address of a single host; a network's is told as all addresses."""
    host, _, bits = address.partition("/")
    return host if bits in ("", "32", "128") else ANYWHERE


def tables(text: str) -> "set[tuple[str, str]]":
    """The families and names of ``nft -j list tables``."""
    try:
        entries = json.loads(text)["nftables"]
        return {(entry["table"]["family"], entry["table"]["name"]) for entry in entries if "table" in entry}
    except (ValueError, TypeError, KeyError):
        return set()


def from_nft(text: str) -> "set[Listener]":
    """From ``nft -j list table FAMILY NAME`` (libnftables-json(5))."""
    try:
        entries = json.loads(text)["nftables"]
        return {
            each for entry in entries if "rule" in entry for each in _from_expression(entry["rule"]["expr"])
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        return set()


def _from_expression(statements: "list[dict[str, object]]") -> "set[Listener]":
    proto, addresses, ports, redirected = "", [ANYWHERE], [], False
    for statement in statements:
        match = statement.get("match")
        if isinstance(match, dict) and match.get("op") in ("==", "in"):
            left, right = match["left"], match["right"]
            payload = left.get("payload") or {} if isinstance(left, dict) else {}
            if payload.get("field") == "dport":
                ports = _json_spans(right)
                proto = payload["protocol"] if payload["protocol"] in PROTOS else proto
            elif payload.get("field") == "daddr":
                addresses = _json_addresses(right)
            elif isinstance(left, dict) and (left.get("meta") or {}).get("key") == "l4proto":
                proto = right
        target = statement.get("xt")
        named = isinstance(target, dict) and target.get("name") == "DNAT"
        redirected = redirected or "dnat" in statement or named
    return _listeners(proto, addresses, ports) if redirected and proto in PROTOS else set()


def _members(value: object) -> "list[object]":
    if isinstance(value, dict) and isinstance(value.get("set"), list):
        return list(value["set"])
    return [value]


def _json_spans(value: object) -> "list[tuple[int, int]]":
    spans = []
    for each in _members(value):
        if isinstance(each, int):
            spans.append((each, each))
        elif isinstance(each, dict) and "range" in each:
            low, high = each["range"]
            spans.append((int(low), int(high)))
    return spans


def _json_addresses(value: object) -> "list[str]":
    members = _members(value)
    return [each if isinstance(each, str) else ANYWHERE for each in members]
