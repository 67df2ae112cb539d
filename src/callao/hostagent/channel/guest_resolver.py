# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostResolver``: starts the resolver that answers the guest's DNS queries by the host's own name
resolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from callao.config import Config, hostname_of
from callao.guest_network import GuestNetwork
from callao.resolver import Resolver, Rules

if TYPE_CHECKING:
    from callao.egress import EgressPoint

_PORTS = (*range(61053, 61085), 0)
"""The first free one is used. Linux does not assign these as ephemeral ports, see ip(7),
ip_local_port_range. So a copy mostly gets the saved machine's port, and can keep its rules: changing them
takes an emulated guest 0.2 s."""


async def start_resolver(
    config: Config, name: str, network: GuestNetwork, egress: EgressPoint | None = None
) -> tuple[Resolver, dict[str, object]]:
    """Start a resolver; returns it and the message that has the guest use it.

    :param egress: what limits the names that the guest may resolve.
    :raises AgentError: when no port is available.
    """
    rules = resolver_rules(config, name, network)
    gateway = IPv4Address(network.gateway)
    if egress is None:
        resolver = Resolver(rules, gateway=gateway, ports=_PORTS)
    else:
        resolver = Resolver(rules, gateway=gateway, ports=_PORTS, through=egress.filter_names)
    udp, tcp = await resolver.start()
    if egress is not None:
        egress.open_resolver(udp, tcp)
    return resolver, {
        "type": "dns",
        "udp": udp,
        "tcp": tcp,
        "server": network.dns,
        "gateway": network.gateway,
    }


def resolver_rules(
    config: Config, name: str, network: GuestNetwork, network_names: Mapping[str, str] | None = None
) -> Rules:
    """The rules of a machine's resolver, with its own names.

    :param network_names: the names in the networks that the machine is in; its own names take precedence.
    """
    hostname = hostname_of(name, config.hostname)
    own_names = {"host.lima.internal": network.gateway}
    if network.guest:
        own_names |= {f"{hostname}.internal": network.guest, hostname: network.guest}
    hosts = config.host_resolver.hosts
    return Rules(hosts=hosts, ipv6=config.host_resolver.ipv6, static={**(network_names or {}), **own_names})
