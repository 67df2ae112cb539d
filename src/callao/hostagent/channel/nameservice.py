# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostResolver``: the guest's names answered by the host, as the host itself would find them."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from callao.config import Config, hostname_of
from callao.guest_network import GuestNetwork
from callao.resolver import Resolver, Rules

_PORTS = (*range(61053, 61085), 0)
"""The first that is free; Linux gives these away to nobody by itself, see ip(7), ip_local_port_range. So a
copy is mostly led where the saved machine was, and its rules stay: others take an emulated guest 0.2 s."""


async def start_resolver(
    config: Config, name: str, network: GuestNetwork
) -> tuple[Resolver, dict[str, object]]:
    """A resolver that answers, and the message that has the guest ask it.

    :raises AgentError: when no port is available.
    """
    rules = names_of(config, name, network)
    resolver = Resolver(rules, gateway=IPv4Address(network.gateway), ports=_PORTS)
    udp, tcp = await resolver.start()
    return resolver, {
        "type": "dns",
        "udp": udp,
        "tcp": tcp,
        "server": network.dns,
        "gateway": network.gateway,
    }


def names_of(
    config: Config, name: str, network: GuestNetwork, others: Mapping[str, str] | None = None
) -> Rules:
    """The names of the machine itself.

    :param others: those of the networks that it is in, which its own precede.
    """
    hostname = hostname_of(name, config.hostname)
    own = {"host.lima.internal": network.gateway}
    if network.guest:
        own |= {f"{hostname}.internal": network.guest, hostname: network.guest}
    hosts = config.host_resolver.hosts
    return Rules(hosts=hosts, ipv6=config.host_resolver.ipv6, static={**(others or {}), **own})
