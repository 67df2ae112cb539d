# SPDX-License-Identifier: GPL-3.0-or-later
"""One entry of ``egress.allow``: a host name or an IPv4 network, with ports. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network

from callao.config.names import is_hostname

ALLOWED = (
    "NAME, *.NAME, an IPv4 address or an IPv4 network, each with :PORT, :FIRST-LAST, several of these with "
    "commas, or :* after it; /udp at the end of an address"
)
WEB_PORTS = ((80, 80), (443, 443))
"""The ports of a name without ports."""

ALL_PORTS = ((1, 65535),)
"""The ports of an address without ports."""

TCP, UDP = "tcp", "udp"

_LONGEST_NAME = 253
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)
_ADDRESS = re.compile(r"[0-9.]+(?:/[0-9]+)?", re.ASCII)

Ports = tuple[tuple[int, int], ...]


class InvalidRule(ValueError):
    """Why an entry is no rule."""


@dataclass(frozen=True)
class EgressRule:
    """Either ``name`` or ``network`` is set. A name that begins with ``*.`` means all names below it, ``*``
    alone means every name."""

    ports: Ports
    name: str = ""
    network: IPv4Network | None = None
    protocol: str = TCP

    def has_port(self, port: int) -> bool:
        return any(first <= port <= last for first, last in self.ports)

    def matches_name(self, name: str) -> bool:
        """:param name: lower case, without a dot at its end."""
        if self.name.startswith("*"):
            return bool(name) and name.endswith(self.name[1:]) and name != self.name[2:]
        return bool(self.name) and name == self.name


def parse_rule(text: str) -> EgressRule:
    """:raises InvalidRule: saying what is wrong."""
    rest, protocol = text.strip(), TCP
    for each in (TCP, UDP):
        if rest.lower().endswith(f"/{each}"):
            rest, protocol = rest[: -len(each) - 1], each
    if rest.count(":") > 1 or rest.startswith("["):
        raise InvalidRule("is IPv6, which a guest with egress rules cannot reach")
    host, colon, ports = rest.partition(":")
    if colon and not ports:
        raise InvalidRule("has no port after ':'")
    found = _ports(ports) if ports else None
    if _ADDRESS.fullmatch(host):
        try:
            network = IPv4Network(host)
        except ValueError:
            raise InvalidRule("is neither an IPv4 address nor a network without host bits") from None
        return EgressRule(found or ALL_PORTS, network=network, protocol=protocol)
    if protocol == UDP:
        raise InvalidRule("is a name, and only TCP is passed on to names")
    name = host.lower() if host == "*." else host.lower().removesuffix(".")
    if not _is_name(name):
        raise InvalidRule("is neither a host name nor an IPv4 address or network")
    return EgressRule(found or WEB_PORTS, name=name)


def _is_name(name: str) -> bool:
    if name == "*":
        return True
    labels = name.removeprefix("*.").split(".")
    return len(name) <= _LONGEST_NAME and all(is_hostname(each) for each in labels)


def _ports(text: str) -> Ports:
    if text == "*":
        return ALL_PORTS
    found = []
    for each in text.split(","):
        match = _PORTS.fullmatch(each)
        if match is None:
            raise InvalidRule(f"has {each!r} where a port belongs")
        first = int(match[1])
        last = int(match[2] or first)
        if not 1 <= first <= last <= 65535:
            raise InvalidRule(f"has the ports {each}, of 1 to 65535")
        found.append((first, last))
    return tuple(found)
