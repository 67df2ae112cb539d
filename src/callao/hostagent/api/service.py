# SPDX-License-Identifier: GPL-3.0-or-later
"""The routes of one running machine on ha.sock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callao.hostagent.api import http, routes
from callao.hostagent.api.answers import InfoAnswer, RefreshAnswer
from callao.hostagent.api.forwards_api import ForwardsApi
from callao.hostagent.api.mounts_api import MountsApi
from callao.hostagent.api.saving import Saver

if TYPE_CHECKING:
    from callao.hostagent.running import Running


def routes_of(running: Running) -> http.Routes:
    status, driver, started, shares = running.status, running.at.driver, running.started, running.shares

    async def info(_request: http.Request) -> InfoAnswer:
        """Lima's fields, and ours."""
        runtime = status.runtime
        return {
            "instanceName": running.at.paths.name,
            "sshLocalPort": runtime.ssh_port,
            "hostAgentPID": runtime.agent.pid,
            "driverPID": runtime.driver.pid if runtime.driver else 0,
            "vmType": running.config.vm_type.value,
            "ready": runtime.ready,
            "timings": runtime.timings,
            "forwards": [list(binding) for binding in runtime.forwards],
            "listeners": running.ports.hearing() if running.ports is not None else {},
        }

    async def refresh(_request: http.Request) -> RefreshAnswer:
        """Apply lima.yaml as it is now to the running machine."""
        return {"notices": list(await running.take_over(running.at.reload()))}

    lock = running.disks.lock
    mounts = MountsApi(shares, lambda: running.config, lambda: status.runtime.ready, lock)
    saver = Saver(
        started.machine, driver, started.boot, shares, running.nics, running.client, lock,
        lambda: running.config,
    )  # fmt: skip
    return {
        routes.INFO: info,
        routes.REFRESH: refresh,
        **mounts.routes(),
        **saver.routes(),
        **ForwardsApi(running.ports, lambda: status.runtime.forwards).routes(),
    }
