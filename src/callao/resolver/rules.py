# SPDX-License-Identifier: GPL-3.0-or-later
"""Configured names: ``hostResolver.hosts``, and the names of host and guest."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from callao.resolver.names import canonical

Address = IPv4Address | IPv6Address

MAX_ALIASES = 16

_LOCALHOST: tuple[Address, ...] = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


@dataclass(frozen=True)
class Rules:
    """The configured names of lima.yaml and the caller.

    ``hosts`` leads from names to addresses or other names; a name may begin with ``*.``. ``static``
    holds the caller's own, which ``hosts`` may override, as it does in the guest's /etc/hosts.
    """

    hosts: Mapping[str, str] = field(default_factory=dict)
    ipv6: bool = False
    static: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AliasChain:
    """A name, its aliases, and the addresses of the last alias; no addresses if that is not configured."""

    names: tuple[str, ...]
    addresses: tuple[Address, ...] = ()


class ConfiguredNames:
    """Finds names in :class:`Rules`, whatever their case.

    A plain name comes before a wildcard, a longer wildcard before a shorter. Unlike RFC 4592 section
    4.1, a plain name hides no wildcard from the names below it.
    """

    def __init__(self, rules: Rules) -> None:
        self._targets = {
            key: target for name, target in {**rules.static, **rules.hosts}.items() if (key := _key(name))
        }
        self._pointers: dict[str, list[str]] = {}
        for name, target in self._targets.items():
            if not name.startswith("*") and (address := _address(target)):
                self._pointers.setdefault(address.reverse_pointer, []).append(name)

    def follow(self, name: str) -> AliasChain | None:
        """The alias chain of ``name``; None for a loop, a chain that is too long, or an invalid target."""
        names = [name]
        while (target := self._target(name)) is not None:
            if address := _address(target):
                return AliasChain(tuple(names), (address,))
            following = canonical(target)
            if following is None or following in names or len(names) > MAX_ALIASES:
                return None
            names.append(name := following)
        return AliasChain(tuple(names), _LOCALHOST if _is_localhost(name) else ())

    def pointers(self, reverse: str) -> tuple[str, ...]:
        """The names of an address in the form ``2.5.168.192.in-addr.arpa``."""
        return tuple(self._pointers.get(reverse, ()))

    def _target(self, name: str) -> str | None:
        return next((self._targets[key] for key in _keys(name) if key in self._targets), None)


def _keys(name: str) -> Iterator[str]:
    yield name
    while name:
        name = name.partition(".")[2]
        yield f"*.{name}".removesuffix(".")


def _key(name: str) -> str | None:
    if name.removesuffix(".") == "*":
        return "*"
    wildcard, rest = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    plain = canonical(rest)
    return None if plain is None else wildcard + plain


def _is_localhost(name: str) -> bool:
    """``localhost`` is the guest itself, whatever the host's resolver returns (RFC 6761 section 6.3)."""
    return name == "localhost" or name.endswith(".localhost")


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
