# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules with ``static: true``: the hypervisor forwards their ports from the start, with or without
listeners.
"""

from __future__ import annotations

from collections.abc import Sequence

from callao.config import PortForward
from callao.ports.rules import Listener, Ruleset, protocols

Binding = tuple[str, str, int, int]
"""(proto, host ip, host port, guest port)."""

MAX_STATIC_RANGE = 1000
"""Ports of one rule: limited, because the hypervisor opens a socket for each."""


def static_forwards(rules: Sequence[PortForward], ssh_port: int) -> tuple[list[Binding], list[str]]:
    """The forwards of the static rules, in order; for a port with two rules the first wins. And notices.

    Rules that the hypervisor's network does not support (sockets, IPv6 addresses of the host) take effect
    when a listener appears, like rules that are not static.
    """
    ruleset = Ruleset(rules, ssh_port)
    bound: dict[tuple[str, str, int], Binding] = {}
    notices: list[str] = []
    for index, rule in enumerate(rules):
        if not rule.static or rule.ignore or not _is_supported(rule):
            continue
        first, last = rule.guest_port_range
        if last - first >= MAX_STATIC_RANGE:
            notices.append(
                f"portForwards[{index}]: static: {last - first + 1} ports are not opened at the start "
                f"(allowed: up to {MAX_STATIC_RANGE}); each is when somebody listens."
            )
            continue
        for proto in protocols(rule.proto):
            for port in range(first, last + 1):
                if ruleset.matching_rule(Listener(proto, rule.guest_ip, port)) is not rule:
                    continue
                at = (proto, rule.host_ip, rule.host_port_range[0] + port - first)
                if at in bound:
                    notices.append(
                        f"portForwards[{index}]: {proto} port {at[2]} of the host leads to the guest's "
                        f"{bound[at][3]} already; the guest's {port} is not forwarded."
                    )
                    continue
                bound[at] = (*at, port)
    return list(bound.values()), notices


def _is_supported(rule: PortForward) -> bool:
    return not rule.guest_socket and not rule.host_socket and ":" not in rule.host_ip
