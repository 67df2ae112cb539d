# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules whose ports are known before the guest runs: forwards that the hypervisor keeps itself."""

from __future__ import annotations

from callao.config import Config, PortForward, Proto

Binding = tuple[str, str, int, int]
"""(proto, host ip, host port, guest port)."""

EVERY_PORT = (1, 65535)
LARGEST_RANGE = 1000
"""More ports than this in one rule would be more sockets than a hypervisor should hold open."""


def static_forwards(config: Config) -> tuple[list[Binding], list[str]]:
    """The forwards that ``config`` names, in order, the first of two rules winning; and notices.

    A rule that cannot be kept without looking into the guest (all ports, sockets) is a notice.
    """
    bindings: dict[tuple[str, str, int], Binding] = {}
    notices: list[str] = []
    ignored: set[int] = set()
    for index, rule in enumerate(config.port_forwards):
        if rule.ignore:
            if rule.guest_port_range != EVERY_PORT:
                ignored.update(_ports(rule.guest_port_range))
            continue
        obstacle = _obstacle(rule)
        if obstacle:
            notices.append(f"portForwards[{index}]: {obstacle}; the rule has no effect in this version.")
            continue
        pairs = zip(_ports(rule.guest_port_range), _ports(rule.host_port_range), strict=True)
        for guest_port, host_port in pairs:
            if guest_port in ignored:
                continue
            for proto in _protocols(rule.proto):
                key = (proto, rule.host_ip, host_port)
                bindings.setdefault(key, (proto, rule.host_ip, host_port, guest_port))
    return list(bindings.values()), notices


def _obstacle(rule: PortForward) -> str:
    if rule.guest_socket or rule.host_socket:
        return "forwarding unix sockets is not built yet"
    first, last = rule.guest_port_range
    if rule.guest_port_range == EVERY_PORT or last - first >= LARGEST_RANGE:
        return "forwarding ports as the guest opens them is not built yet: name the ports"
    return ""


def _ports(ends: tuple[int, int]) -> range:
    return range(ends[0], ends[1] + 1)


def _protocols(proto: Proto) -> tuple[str, ...]:
    return ("tcp", "udp") if proto is Proto.ANY else (proto.value,)
