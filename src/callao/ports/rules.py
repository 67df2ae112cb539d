# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies ``portForwards`` to the guest's listeners, as Lima does: which are forwarded, and where. Pure.

The first rule that fits a listener decides. Before the user's rules stands one that no rule overrides: the
ports of ssh are never forwarded. After them come the defaults: what listens on the guest's loopback or on
all of its addresses is forwarded, on the same port.
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
"""mDNS and LLMNR (RFC 6762, RFC 4795): systemd-resolved has them open, for the guest's own link."""

_UNPRIVILEGED = 1024
_EPHEMERAL = 32768
"""From here on a UDP socket is more often a client's than a server's (ip-sysctl, ip_local_port_range)."""

_EVERY_PORT = (1, 65535)


HostEnd = tuple[str, str, int, str]
"""(proto, address, port, socket) of the host: what two forwards cannot share."""


@dataclass(frozen=True, order=True)
class Listener:
    """A socket of the guest that waits for others; ``ip`` as the guest has it."""

    proto: str
    ip: str
    port: int
    inside: bool = False
    """Whether only a connection from within the guest finds it: ``::`` without IPv4, or a container's port
    that is led to it from the loopback."""

    @property
    def loopback_only(self) -> bool:
        """Whether nothing from outside of the guest reaches it."""
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
    """As the listener's."""
    host_socket: str = ""
    """The path of a unix socket of the host; then ``host_ip`` is empty and ``host_port`` 0."""

    @property
    def host_end(self) -> HostEnd:
        return self.proto, self.host_ip, self.host_port, self.host_socket


@dataclass(frozen=True)
class _ParsedRule:
    """A rule with its address parsed, since each listener is held against each rule."""

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

    :param rules: the user's.
    :param ssh_port: the host's port for ssh: the guest's port of that number would take it.
    """

    def __init__(self, rules: Sequence[PortForward], ssh_port: int) -> None:
        ssh = tuple(_never_forward(port) for port in (_SSH, ssh_port) if port)
        every = (*ssh, *rules, *_defaults())
        self._rules = [
            _ParsedRule(rule, parse_address(rule.guest_ip)) for rule in every if not rule.guest_socket
        ]
        self._disabled = _disabled(rules)

    def matching_rule(self, listener: Listener) -> PortForward | None:
        """The rule that forwards ``listener``; None where one keeps it in the guest, or none fits."""
        ip = parse_address(listener.ip)
        for each in self._rules:
            if not each.matches(listener, ip):
                continue
            if not each.rule.ignore:
                return each.rule
            if ip.is_unspecified and not each.guest_ip.is_unspecified:
                continue  # a rule for one address does not speak for all of them
            return None
        return None

    def forward(self, listener: Listener) -> WantedForward | None:
        """Where ``listener`` is forwarded to."""
        rule = self.matching_rule(listener)
        if rule is None:
            return None
        guest = (listener.ip, listener.port, listener.inside)
        if rule.host_socket:
            return WantedForward(listener.proto, "", 0, *guest, rule.host_socket)
        host_port = rule.host_port_range[0] + listener.port - rule.guest_port_range[0]
        return WantedForward(listener.proto, rule.host_ip, host_port, *guest)

    def disables(self, proto: str) -> bool:
        """Whether the user has turned forwarding of ``proto`` off as a whole."""
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
    """The forwards for ``listeners``, sorted, one for each end on the host."""
    _, chosen = forwards_by_listener(rules, listeners)
    return sorted(chosen.values())


def named_ports(rules: Iterable[PortForward]) -> Mapping[tuple[str, str, int], PortForward]:
    """The ports of the host that a rule names one by one: (proto, address, port), with the rule."""
    named: dict[tuple[str, str, int], PortForward] = {}
    for rule in rules:
        first, last = rule.host_port_range
        if not rule.ignore and not rule.host_socket and first == last:
            for proto in ("tcp",) if rule.guest_socket else protocols(rule.proto):
                named.setdefault((proto, rule.host_ip, first), rule)
    return named


def protocols(proto: Proto) -> tuple[str, ...]:
    """``any`` is both."""
    return ("tcp", "udp") if proto is Proto.ANY else (proto.value,)


def _exposure_rank(listener: Listener) -> tuple[bool, bool, Listener]:
    """Those that can be reached from outside come first: forwarding to them takes less. On the loopback a
    container's port comes before the socket by which its engine keeps others off.
    """
    return listener.loopback_only, listener.loopback_only and not listener.inside, listener


def _never_forward(port: int) -> PortForward:
    """Keeps ``port`` in the guest, whatever address it is on."""
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
