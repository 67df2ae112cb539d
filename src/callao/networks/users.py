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


def users(network: str, home: Path) -> list[str]:
    """The instances whose lima.yaml names the network, as far as it can be read."""
    return instances_referring_to(network, home, "networks", _name_of)


def running_users(network: str, home: Path) -> list[str]:
    """Those of them that run."""
    return [each for each in users(network, home) if _runs(InstancePaths(home / each))]


def refuse_taken_addresses(config: Config, name: str, home: Path) -> None:
    """Check that no other instance has a MAC address of this one in the same network.

    :raises ConfigError: with each that another one has.
    """
    problems = list(_taken(config, name, home))
    if problems:
        raise ConfigError(problems)


def _taken(config: Config, name: str, home: Path) -> Iterator[Problem]:
    for index, network in enumerate(config.networks):
        own = with_colons(network.mac_address)
        if not network.lima or own == mac_address(home / name, index + 1):
            continue  # it is made from the instance's path, and nobody else's
        for other in instances_referring_to(network.lima, home, "networks", partial(_name_where, own)):
            if other != name:
                yield Problem(
                    f"networks[{index}].macAddress", network.mac_address,
                    f"is that of instance {other!r} in network {network.lima}",
                    "an address of its own, or none: one is made then",
                )  # fmt: skip


def _runs(paths: InstancePaths) -> bool:
    found = live_processes(paths)
    return found.agent is not None or found.driver is not None


def _name_where(mac: str, entry: object) -> object:
    """The network of an entry that has this MAC address."""
    there = entry.get("macAddress") if isinstance(entry, dict) else None
    return _name_of(entry) if isinstance(there, str) and with_colons(there) == mac else None


def _name_of(entry: object) -> object:
    return entry.get("lima") if isinstance(entry, dict) else None
