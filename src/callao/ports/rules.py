# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the guest's listeners are forwarded, and where to: ``portForwards`` as Lima reads it. Pure.

The first rule that fits a listener decides. After the user's rules come Lima's own: ssh's port is never
forwarded, and what listens on the guest's loopback or on all of its addresses is, on the same port.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from callao.config import PortForward, Proto

_ZERO = ipaddress.ip_address("0.0.0.0")  # noqa: S104 - compared with, not bound
_LOOPBACK = ipaddress.ip_address("127.0.0.1")
_LOOPBACK6 = ipaddress.ip_address("::1")

_SSH = 22
_LINK_LOCAL = (5353, 5355)
"""mDNS and LLMNR (RFC 6762, RFC 4795): systemd-resolved has them open, for the guest's own link."""

_UNPRIVILEGED = 1024
_EPHEMERAL = 32768
"""From here on a UDP socket is more often a client's than a server's (ip-sysctl, ip_local_port_range)."""

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


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
class Wanted:
    """A forward: the host's address and port, and the guest's."""

    proto: str
    host_ip: str
    host_port: int
    guest_ip: str
    guest_port: int
    inside: bool = False
    """As the listener's."""


def default_rules(ssh_port: int) -> tuple[PortForward, ...]:
    """What applies after the user's rules.

    :param ssh_port: the host's port for ssh; the guest's of that number would be in its way.
    """
    never = tuple(
        PortForward(
            guest_ip=str(_ZERO), guest_port_range=(port, port), host_port_range=(port, port), ignore=True
        )
        for port in (_SSH, ssh_port, *_LINK_LOCAL)
        if port
    )
    tcp, udp = (_UNPRIVILEGED, 65535), (_UNPRIVILEGED, _EPHEMERAL - 1)
    return (
        *never,
        PortForward(proto=Proto.TCP, guest_port_range=tcp, host_port_range=tcp),
        PortForward(proto=Proto.UDP, guest_port_range=udp, host_port_range=udp),
    )


def wanted_forwards(rules: Sequence[PortForward], listeners: Iterable[Listener]) -> list[Wanted]:
    """The forwards for ``listeners``, sorted; of two for one port of the host the loopback's wins no more
    than any other: the first in order does.
    """
    found: dict[tuple[str, str, int], Wanted] = {}
    for listener in sorted(listeners, key=_openness):
        forward = _forward(rules, listener)
        if forward is not None:
            found.setdefault((forward.proto, forward.host_ip, forward.host_port), forward)
    return sorted(found.values())


def _openness(listener: Listener) -> tuple[bool, bool, Listener]:
    """Those that can be reached from outside come first: forwarding to them takes less. On the loopback a
    container's port comes before the socket by which its engine keeps others off.
    """
    return listener.loopback_only, listener.loopback_only and not listener.inside, listener


def _forward(rules: Sequence[PortForward], listener: Listener) -> Wanted | None:
    ip = ipaddress.ip_address(listener.ip)
    for rule in rules:
        if rule.guest_socket or rule.host_socket or not _fits(rule, listener, ip):
            continue
        if rule.ignore:
            if ip.is_unspecified and not ipaddress.ip_address(rule.guest_ip).is_unspecified:
                continue
            return None
        host_port = rule.host_port_range[0] + listener.port - rule.guest_port_range[0]
        return Wanted(listener.proto, rule.host_ip, host_port, listener.ip, listener.port, listener.inside)
    return None


def _fits(rule: PortForward, listener: Listener, ip: IPAddress) -> bool:
    if rule.proto not in (Proto.ANY, listener.proto):
        return False
    if not rule.guest_port_range[0] <= listener.port <= rule.guest_port_range[1]:
        return False
    wanted = ipaddress.ip_address(rule.guest_ip)
    if ip.is_unspecified or ip == wanted:
        return True
    if ip == _LOOPBACK6 and wanted == _LOOPBACK:
        return True
    return wanted.is_unspecified and not rule.guest_ip_must_be_zero
