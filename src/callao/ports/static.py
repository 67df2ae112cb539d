# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules whose ports are known before the guest runs: forwards that the hypervisor keeps itself."""

from __future__ import annotations

import itertools

from callao.config import Config, PortForward, Proto

Binding = tuple[str, str, int, int]
"""(proto, host ip, host port, guest port)."""

EVERY_PORT = (1, 65535)
LARGEST_RANGE = 1000
"""More ports than this in one rule would be more sockets than a hypervisor should hold open."""


def static_forwards(config: Config) -> tuple[list[Binding], list[str]]:
    """The forwards that ``config`` names, in order, the first of two rules winning; and notices.

    Rules that cannot be kept without looking into the guest (all ports, sockets) are left to others.
    """
    matched: set[tuple[str, int]] = set()
    bound: dict[tuple[str, str, int], Binding] = {}
    notices: list[str] = []
    for index, rule in enumerate(config.port_forwards):
        if not rule.ignore and _needs_the_guest(rule):
            continue
        if rule.ignore and rule.guest_port_range == EVERY_PORT:
            break
        pairs = zip(_ports(rule.guest_port_range), _ports(rule.host_port_range), strict=True)
        for (guest_port, host_port), proto in itertools.product(pairs, _protocols(rule.proto)):
            if (proto, guest_port) in matched:
                continue
            matched.add((proto, guest_port))
            at = (proto, rule.host_ip, host_port)
            if rule.ignore:
                continue
            if at in bound:
                notices.append(
                    f"portForwards[{index}]: {proto} port {host_port} of the host leads to the guest's "
                    f"{bound[at][3]} already; the guest's {guest_port} is not forwarded."
                )
                continue
            bound[at] = (*at, guest_port)
    return list(bound.values()), notices


def _needs_the_guest(rule: PortForward) -> bool:
    """Sockets, and ports that are only forwarded once somebody in the guest listens there."""
    first, last = rule.guest_port_range
    socket = bool(rule.guest_socket or rule.host_socket)
    return socket or rule.guest_port_range == EVERY_PORT or last - first >= LARGEST_RANGE


def _ports(ends: tuple[int, int]) -> range:
    return range(ends[0], ends[1] + 1)


def _protocols(proto: Proto) -> tuple[str, ...]:
    return ("tcp", "udp") if proto is Proto.ANY else (proto.value,)
