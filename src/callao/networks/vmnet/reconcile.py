# SPDX-License-Identifier: GPL-3.0-or-later
"""Has socket_vmnet run for the networks that running instances name, and for no others."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from callao.config.networks_yaml import read_networks
from callao.networks.users import running_users
from callao.networks.vmnet import daemon
from callao.networks.vmnet.commands import of_vmnet


def start_networks(names: Iterable[str], home: Path) -> None:
    """For an instance that is about to start.

    :raises CallaoError: when one of its networks cannot be started.
    """
    wanted = set(names)
    networks = read_networks(home)
    for network in of_vmnet(networks):
        if network.name in wanted:
            daemon.start(networks, network, home)


def stop_unused(home: Path, leaving: str) -> None:
    """End the daemons of networks that no running instance names.

    :param leaving: the instance that ends, and may count as running for a moment yet.
    :raises CallaoError: when a daemon does not end.
    """
    networks = read_networks(home)
    for network in of_vmnet(networks):
        if daemon.running_pid(networks, network.name) is None:
            continue
        if not [each for each in running_users(network.name, home) if each != leaving]:
            daemon.stop(networks, network.name, home)
