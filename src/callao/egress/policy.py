# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what a guest may reach. Pure but for the host's own addresses, which change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from callao.config.egress_rules import TCP, EgressRule, parse_rule
from callao.egress.own_addresses import own_addresses

_METADATA = ("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32")
"""Servers of Alibaba, Azure and Oracle that tell credentials to whoever connects from the host; those of the
other clouds are on the link."""

_NEVER = tuple(
    IPv4Network(each)
    for each in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", *_METADATA)
)
"""The host's own loopback, its link, groups and broadcasts."""


@dataclass(frozen=True)
class Policy:
    """The rules of one guest. ``gateway`` is the host as the guest sees it, in the guest's ``subnet``."""

    rules: tuple[EgressRule, ...]
    subnet: IPv4Network
    gateway: IPv4Address
    own: Callable[[], frozenset[IPv4Address]] = own_addresses
    """The addresses that the host has now."""

    @classmethod
    def of(cls, allow: Iterable[str], subnet: str, gateway: str) -> Policy:
        """:raises InvalidRule: for an entry that is no rule."""
        return cls(tuple(parse_rule(each) for each in allow), IPv4Network(subnet), IPv4Address(gateway))

    def knows_name(self, name: str) -> bool:
        """Whether a name may be resolved: at one port at least it may be connected to."""
        return any(rule.matches_name(name) for rule in self.rules)

    def allows_name(self, name: str, port: int) -> bool:
        """Whether a TCP connection to an address of this name is allowed."""
        return any(rule.matches_name(name) and rule.has_port(port) for rule in self.rules)

    def allows_address(self, address: IPv4Address, port: int, protocol: str = TCP) -> bool:
        """Whether packets may be sent to the address itself.

        The host, and the addresses that lead to its loopback, need a rule for this one address: a network
        that happens to contain them does not allow them.
        """
        return any(
            rule.network is not None
            and address in rule.network
            and rule.protocol == protocol
            and rule.has_port(port)
            and self._is_wide_enough(rule.network, address)
            for rule in self.rules
        )

    def may_be_of_name(self, address: IPv4Address, *, configured: bool) -> bool:
        """Whether an address that a name was resolved to may be connected to.

        :param configured: whether the user named the address in lima.yaml. Otherwise it comes from a server,
            which could send the guest to the host.
        """
        if self._is_special(address):
            return False
        return configured or not self._is_host(address)

    def _is_wide_enough(self, network: IPv4Network, address: IPv4Address) -> bool:
        if self._is_special(address):
            return False
        return network.prefixlen == network.max_prefixlen or not self._is_host(address)

    def _is_special(self, address: IPv4Address) -> bool:
        in_subnet = address in self.subnet and address != self.gateway
        return in_subnet or any(address in each for each in _NEVER)

    def _is_host(self, address: IPv4Address) -> bool:
        return address == self.gateway or address in self.own()
