# SPDX-License-Identifier: GPL-3.0-or-later
"""Which instances are on a network."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from callao.config import Config, mac_address
from callao.config.addresses import with_colons
from callao.errors import ConfigError, Problem
from callao.instances import InstancePaths
from callao.instances.references import instances_referring_to
from callao.instances.status import live_processes

_OWN = "an address of its own, or none: one is made then"


def users(network: str, home: Path) -> list[str]:
    """The instances whose lima.yaml names the network, as far as it can be read."""
    return instances_referring_to(network, home, "networks", _name_of)


def running_users(network: str, home: Path) -> list[str]:
    """Those of them that run."""
    return [each for each in users(network, home) if _runs(InstancePaths(home / each))]


def check_mac_addresses(config: Config, name: str, home: Path) -> None:
    """Check that each MAC address can be an interface's, and that no other interface of the instance, nor
    another instance in the same network, has it.

    limactl reads a lima.yaml without this check: it is part of making an instance, not of reading one.

    :raises ConfigError: with each that cannot be used.
    """
    problems = [*_unusable(config), *_taken(config, name, home)]
    if problems:
        raise ConfigError(problems)


def _unusable(config: Config) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, network in enumerate(config.networks):
        place, mac = f"networks[{index}].macAddress", with_colons(network.mac_address)
        if int(mac[:2], 16) & 1:
            why, allowed = "is a group's address: its first byte is odd", "an even first byte"
            yield Problem(place, network.mac_address, why, allowed)
        if mac in seen:
            yield Problem(place, network.mac_address, f"is that of networks[{seen[mac]}], too", _OWN)
        seen.setdefault(mac, index)


def _taken(config: Config, name: str, home: Path) -> Iterator[Problem]:
    for index, network in enumerate(config.networks):
        own = with_colons(network.mac_address)
        if not network.lima or own == mac_address(home / name, index + 1):
            continue  # it is made from the instance's path, and nobody else's
        for other in instances_referring_to(network.lima, home, "networks", partial(_name_where, own)):
            if other != name:
                why = f"is that of instance {other!r} in network {network.lima}"
                yield Problem(f"networks[{index}].macAddress", network.mac_address, why, _OWN)


def _runs(paths: InstancePaths) -> bool:
    found = live_processes(paths)
    return found.agent is not None or found.driver is not None


def _name_where(mac: str, entry: object) -> object:
    """The network of an entry that has this MAC address."""
    there = entry.get("macAddress") if isinstance(entry, dict) else None
    return _name_of(entry) if isinstance(there, str) and with_colons(there) == mac else None


def _name_of(entry: object) -> object:
    return entry.get("lima") if isinstance(entry, dict) else None
