# SPDX-License-Identifier: GPL-3.0-or-later
"""The NICs that are in a network now, and the names that lead to them."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from callao.networks.usernet.control import LONGEST_LINE, Join, Names, line
from callao.networks.usernet.leases import Leases, NoAddressLeft
from callao.networks.usernet.switch import Switch

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


class NotAMember(Exception):
    """Why a NIC cannot be in the network."""


@dataclass(frozen=True, eq=False)
class Member:
    """One NIC of a running instance."""

    join: Join
    mac: bytes
    address: IPv4Address


@dataclass
class Members:
    """Of one network, the newest last."""

    gateway: IPv4Address
    leases: Leases
    switch: Switch
    _members: list[Member] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._members)

    def add(self, join: Join) -> Member:
        """:raises NotAMember: when it cannot be in the network."""
        if not _MAC.fullmatch(join.mac):
            raise NotAMember(f"macAddress {join.mac!r} is no MAC address like 52:55:55:12:34:56")
        mac = bytes.fromhex(join.mac.replace(":", ""))
        if mac[0] & 1:
            raise NotAMember(
                f"macAddress {join.mac} is a group's, of which the first byte is odd: choose an even one"
            )
        for other in [each for each in self._members if each.mac == mac]:
            if other.join.instance != join.instance:
                raise NotAMember(
                    f"macAddress {join.mac} is that of {other.join.instance!r}, which runs: choose another"
                )
            self.remove(other)  # an earlier run of it, of whose end we have not heard yet
        try:
            address = self.leases.take_for_instance(mac)
        except NoAddressLeft:
            raise NotAMember(
                "no address of its subnet is left: stop an instance, or have a larger netmask"
            ) from None
        member = Member(join, mac, address)
        self._members.append(member)
        self.switch.reserve(mac)
        size = len(line(Names(dict(self.names()))))
        if size > LONGEST_LINE:
            self.remove(member)
            raise NotAMember(
                f"hostResolver.hosts of it and of those that run make {size} bytes of names "
                f"(allowed: {LONGEST_LINE}): remove some"
            )
        return member

    def remove(self, member: Member) -> None:
        """A second time, does nothing."""
        if not any(each is member for each in self._members):
            return
        self._members = [each for each in self._members if each is not member]
        self.switch.release(member.mac)
        self.leases.release(member.mac)

    def names(self) -> Mapping[str, str]:
        """Each instance's ``hostResolver.hosts``, the newest's before others'; before them all, the
        instances."""
        hosts = {name: target for each in self._members for name, target in each.join.hosts.items()}
        instances = {name: str(each.address) for each in self._members for name in each.join.names}
        return {"host.lima.internal": str(self.gateway), **hosts, **instances}
