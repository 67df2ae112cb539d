# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts what limits the guest's network, where the configuration has ``egress``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callao.drivers import NicSockets
from callao.hostagent.assignment import Assignment

if TYPE_CHECKING:
    from callao.egress import EgressPoint

LOG = "egress.log"
"""Its file in the instance's folder."""


async def start_egress(assignment: Assignment) -> EgressPoint | None:
    """:raises AgentError: when the guest's name server cannot be started."""
    config = assignment.config
    if config.egress is None:
        return None
    from callao.egress import EgressPoint
    from callao.hostagent.channel.guest_resolver import resolver_rules

    network, name = assignment.driver.network(config), assignment.paths.name
    rules = config.egress
    point = EgressPoint(network, rules.allow, log=rules.log, log_file=assignment.paths.dir / LOG)
    try:
        await point.start(resolver_rules(config, name, network))
    except BaseException:
        await point.close()
        raise
    return point


def nic_sockets(point: EgressPoint | None) -> NicSockets | None:
    """What the driver needs to have the guest's frames pass through the point."""
    return None if point is None else NicSockets(*(each.fileno() for each in point.hypervisor_sockets))
