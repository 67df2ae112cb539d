# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends socket_vmnet for the networks that no running instance names."""

from __future__ import annotations

from pathlib import Path

from callao.networks.users import running_users
from callao.networks.vmnet import daemon
from callao.networks.vmnet.commands import of_vmnet
from callao.networks.vmnet.host_values import networks_of_host


def stop_unused(home: Path, leaving: str) -> None:
    """End the daemons of networks that no running instance names.

    :param leaving: the instance that ends, and may count as running for a moment yet.
    :raises CallaoError: when a daemon does not end.
    """
    networks = networks_of_host(home)
    for network in of_vmnet(networks):
        if daemon.running_pid(networks, network.name) is None:
            continue
        if not [each for each in running_users(network.name, home) if each != leaving]:
            daemon.stop(networks, network.name, home)
