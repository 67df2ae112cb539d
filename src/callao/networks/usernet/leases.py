# SPDX-License-Identifier: GPL-3.0-or-later
"""Which address each MAC address has: kept in a file, so that a guest keeps its address for good."""

from __future__ import annotations

import contextlib
import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from callao.atomic import write_volatile

MacAddress = bytes

_LARGEST = 1 << 22
"""Bytes of the file: more than the addresses of the largest network take."""


class NoAddressLeft(Exception):
    """Every address of the network is in use."""


class Leases:
    """Of one network. An address that nobody uses any more stays its last owner's until there is no other.

    The file is Lima's: a JSON object from addresses to MAC addresses; ours begins with those unused longest.
    """

    def __init__(self, subnet: IPv4Network, reserved: frozenset[IPv4Address], file: Path) -> None:
        """:param reserved: addresses that no guest gets, beside those of the network and of broadcasts."""
        self._file = file
        self._free = [each for each in _hosts(subnet) if each not in reserved]
        self._by_mac: dict[MacAddress, IPv4Address] = {}
        """The first was let go of longest ago."""
        self._used: set[MacAddress] = set()
        self._instances: set[MacAddress] = set()
        """Those of the addresses in use that are a running instance's own."""
        self._by_address: dict[IPv4Address, MacAddress] = {}
        free = set(self._free)
        for address, mac in _read(file):
            if address in free and mac not in self._by_mac and address not in self._by_address:
                self._by_mac[mac] = address
                self._by_address[address] = mac
        self._free = [each for each in self._free if each not in self._by_address]

    def take(self, mac: MacAddress) -> IPv4Address:
        """The address of a MAC address that is in use from now on.

        :raises NoAddressLeft: when all are in use.
        """
        address = self._by_mac.get(mac)
        if address is None:
            address = self._free.pop(0) if self._free else self._longest_unused()
            self._by_mac[mac] = address
            self._by_address[address] = mac
            self._used.add(mac)
            self._write()
        self._used.add(mac)
        return address

    def take_for_instance(self, mac: MacAddress) -> IPv4Address:
        """Like :meth:`take`, for a NIC's own MAC address: it comes before those of containers and machines
        in a guest, with which one guest could take the addresses of a small network.

        :raises NoAddressLeft: when other instances have all of them.
        """
        try:
            address = self.take(mac)
        except NoAddressLeft:
            guests = [each for each in self._by_mac if each not in self._instances]
            if not guests:
                raise
            self.release(guests[0])
            address = self.take(mac)
        self._instances.add(mac)
        return address

    def release(self, mac: MacAddress) -> None:
        """Have others get its address, when they have to."""
        self._instances.discard(mac)
        if mac in self._used:
            self._used.remove(mac)
            self._by_mac[mac] = self._by_mac.pop(mac)
            self._write()

    def owner(self, address: IPv4Address) -> MacAddress | None:
        """Who has an address, whether used or not."""
        return self._by_address.get(address)

    def of(self, mac: MacAddress) -> IPv4Address | None:
        """The address of a MAC address, whether used or not."""
        return self._by_mac.get(mac)

    def _longest_unused(self) -> IPv4Address:
        for mac, address in self._by_mac.items():
            if mac not in self._used:
                del self._by_mac[mac]
                return address
        raise NoAddressLeft

    def _write(self) -> None:
        """Without it a guest gets another address some day, and goes on."""
        document = {str(address): mac.hex(":") for mac, address in self._by_mac.items()}
        with contextlib.suppress(OSError):
            write_volatile(self._file, json.dumps(document, indent=1).encode() + b"\n")


def _hosts(subnet: IPv4Network) -> list[IPv4Address]:
    """Up to 2**16 of them, as no network has more instances."""
    most = min(subnet.num_addresses - 1, 1 << 16)
    return [subnet.network_address + number for number in range(1, most)]


def _read(file: Path) -> list[tuple[IPv4Address, MacAddress]]:
    """What is legible of a file that people may have edited."""
    document: object = None
    with contextlib.suppress(OSError, ValueError, RecursionError):
        if file.is_file():
            with file.open("rb") as stream:
                document = json.loads(stream.read(_LARGEST))
    found = []
    for address, mac in document.items() if isinstance(document, dict) else ():
        with contextlib.suppress(ValueError):
            octets = bytes.fromhex(str(mac).replace(":", ""))
            if len(octets) == 6:
                found.append((IPv4Address(address), octets))
    return found
