# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that the guest's resolver has answered with, and the names that they are of."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv4Address

_LIFETIME = 3600.0
"""Seconds after the last answer in which a name's address can be connected to: programs keep addresses for
longer than the answer says."""

_MOST_ADDRESSES = 4096
_MOST_NAMES = 64
"""Of one address; beyond that the one that was asked for longest ago is forgotten."""


class Pins:
    """Of one guest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._configured: dict[IPv4Address, set[str]] = {}
        self._names: OrderedDict[IPv4Address, OrderedDict[str, float]] = OrderedDict()

    def add(self, name: str, address: IPv4Address) -> None:
        """The guest has been told that the name has this address."""
        names = self._names.setdefault(address, OrderedDict())
        self._names.move_to_end(address)
        names[name] = self._clock() + _LIFETIME
        names.move_to_end(name)
        if len(names) > _MOST_NAMES:
            names.popitem(last=False)
        if len(self._names) > _MOST_ADDRESSES:
            self._names.popitem(last=False)

    def keep(self, name: str, address: IPv4Address) -> None:
        """The name has this address by lima.yaml: the guest may know it from its /etc/hosts."""
        self._configured.setdefault(address, set()).add(name)

    def names_of(self, address: IPv4Address) -> frozenset[str]:
        """The names of an address, as far as the guest has asked for them lately."""
        now = self._clock()
        asked = {name for name, until in self._names.get(address, {}).items() if until > now}
        return frozenset(asked | self._configured.get(address, set()))
