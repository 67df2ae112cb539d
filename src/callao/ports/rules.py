# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies ``portForwards`` to the guest's listeners, as Lima does: decides which are forwarded where. Pure.

The first rule that matches a listener decides. A rule that cannot be overridden comes before the user's: the
ports of ssh are never forwarded. The defaults come last: listeners on the guest's loopback or on all of its
addresses are forwarded on the same port.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from callao.config import PortForward, Proto
from callao.config.addresses import IPAddress, parse_address

_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - compared with, not bound
_LOOPBACK = ipaddress.ip_address("127.0.0.1")
_LOOPBACK6 = ipaddress.ip_address("::1")

_SSH = 22
_LINK_LOCAL = (5353, 5355)
"""mDNS and LLMNR (RFC 6762, RFC 4795): systemd-resolved listens on these ports, for the guest's link
only."""

_UNPRIVILEGED = 1024
_EPHEMERAL = 32768
"""The first ephemeral port (ip-sysctl, ip_local_port_range): most UDP sockets from here on are clients'."""

_EVERY_PORT = (1, 65535)


HostEnd = tuple[str, str, int, str]
"""(proto, address, port, socket) of the host: unique among forwards."""


@dataclass(frozen=True, order=True)
class Listener:
    """A listening socket of the guest; ``ip`` is its local address."""

    proto: str
    ip: str
    port: int
    inside: bool = False
    """Whether to reach it from within the guest alone: ``::`` without IPv4, a container's port that is
    redirected from the loopback, or one that the guest's packet filter may close to its NIC."""

    @property
    def loopback_only(self) -> bool:
        """Whether it cannot be reached from outside of the guest."""
        return ipaddress.ip_address(self.ip).is_loopback


@dataclass(frozen=True, order=True)
class WantedForward:
    """A forward: the host's address and port, or its socket, and the guest's address and port."""

    proto: str
    host_ip: str
    host_port: int
    guest_ip: str
    guest_port: int
    inside: bool = False
    """See :attr:`Listener.inside`."""
    host_socket: str = ""
    """The path of a unix socket of the host; then ``host_ip`` is empty and ``host_port`` 0."""

    @property
    def host_end(self) -> HostEnd:
        return self.proto, self.host_ip, self.host_port, self.host_socket


@dataclass(frozen=True)
class _ParsedRule:
    """A rule with its address parsed once, because each listener is compared with each rule."""

    rule: PortForward
    guest_ip: IPAddress

    def matches(self, listener: Listener, ip: IPAddress) -> bool:
        rule = self.rule
        if rule.proto not in (Proto.ANY, listener.proto):
            return False
        if not rule.guest_port_range[0] <= listener.port <= rule.guest_port_range[1]:
            return False
        if ip.is_unspecified or ip == self.guest_ip:
            return True
        if ip == _LOOPBACK6 and self.guest_ip == _LOOPBACK:
            return True
        return self.guest_ip.is_unspecified and not rule.guest_ip_must_be_zero


class Ruleset:
    """All the rules of an instance, in their order.

    :param rules: the user's rules.
    :param ssh_port: the host's port for ssh: a guest's port of the same number is not forwarded to it.
    """

    def __init__(self, rules: Sequence[PortForward], ssh_port: int) -> None:
        ssh = tuple(_never_forward(port) for port in (_SSH, ssh_port) if port)
        every = (*ssh, *rules, *_defaults())
        self._rules = [
            _ParsedRule(rule, parse_address(rule.guest_ip)) for rule in every if not rule.guest_socket
        ]
        self._disabled = _disabled(rules)

    def matching_rule(self, listener: Listener) -> PortForward | None:
        """The rule that forwards ``listener``; None when a rule ignores it, or none matches."""
        ip = parse_address(listener.ip)
        for each in self._rules:
            if not each.matches(listener, ip):
                continue
            if not each.rule.ignore:
                return each.rule
            if ip.is_unspecified and not each.guest_ip.is_unspecified:
                continue  # a rule for one address does not match a listener on all addresses
            return None
        return None

    def forward(self, listener: Listener) -> WantedForward | None:
        """The forward of ``listener``, if any."""
        rule = self.matching_rule(listener)
        if rule is None:
            return None
        guest = (listener.ip, listener.port, listener.inside)
        if rule.host_socket:
            return WantedForward(listener.proto, "", 0, *guest, rule.host_socket)
        host_port = rule.host_port_range[0] + listener.port - rule.guest_port_range[0]
        return WantedForward(listener.proto, rule.host_ip, host_port, *guest)

    def disables(self, proto: str) -> bool:
        """Whether the user's rules disable all forwarding of ``proto``."""
        return proto in self._disabled


def forwards_by_listener(
    rules: Ruleset, listeners: Iterable[Listener]
) -> tuple[dict[Listener, WantedForward | None], dict[HostEnd, WantedForward]]:
    """Each listener's own forward; and for each end on the host the one of them that has it: the first in
    the order of how little it takes to reach the listener.
    """
    each: dict[Listener, WantedForward | None] = {}
    chosen: dict[HostEnd, WantedForward] = {}
    for listener in sorted(listeners, key=_exposure_rank):
        forward = each[listener] = rules.forward(listener)
        if forward is not None:
            chosen.setdefault(forward.host_end, forward)
    return each, chosen


def wanted_forwards(rules: Ruleset, listeners: Iterable[Listener]) -> list[WantedForward]:
    """The forwards for ``listeners``, sorted, one for each host end."""
    _, chosen = forwards_by_listener(rules, listeners)
    return sorted(chosen.values())


def named_ports(rules: Iterable[PortForward]) -> Mapping[tuple[str, str, int], PortForward]:
    """The single host ports that rules name, (proto, address, port), and their rules."""
    named: dict[tuple[str, str, int], PortForward] = {}
    for rule in rules:
        first, last = rule.host_port_range
        if not rule.ignore and not rule.host_socket and first == last:
            for proto in ("tcp",) if rule.guest_socket else protocols(rule.proto):
                named.setdefault((proto, rule.host_ip, first), rule)
    return named


def protocols(proto: Proto) -> tuple[str, ...]:
    """The protocols of a rule: ``any`` is tcp and udp."""
    return ("tcp", "udp") if proto is Proto.ANY else (proto.value,)


def _exposure_rank(listener: Listener) -> tuple[bool, bool, Listener]:
    """Those that can be reached from outside come first: forwarding to them takes less. On the loopback a
    container's port comes before the socket by which its engine keeps others off.
    """
    return listener.loopback_only, listener.loopback_only and not listener.inside, listener


def _never_forward(port: int) -> PortForward:
    """A rule that ignores ``port`` on all addresses."""
    return PortForward(
        guest_ip=_ANY_ADDRESS, guest_port_range=(port, port), host_port_range=(port, port), ignore=True
    )


def _defaults() -> tuple[PortForward, ...]:
    tcp, udp = (_UNPRIVILEGED, 65535), (_UNPRIVILEGED, _EPHEMERAL - 1)
    return (
        *(_never_forward(port) for port in _LINK_LOCAL),
        PortForward(proto=Proto.TCP, guest_port_range=tcp, host_port_range=tcp),
        PortForward(proto=Proto.UDP, guest_port_range=udp, host_port_range=udp),
    )


def _disabled(rules: Sequence[PortForward]) -> frozenset[str]:
    """The protocols that the first rules turn off for every port."""
    found: set[str] = set()
    for rule in rules:
        if not rule.ignore or rule.guest_port_range != _EVERY_PORT:
            break
        found.update(protocols(rule.proto))
    return frozenset(found)
