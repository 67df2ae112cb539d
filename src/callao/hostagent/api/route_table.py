# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of all routes on ha.sock with the handlers of one running machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callao.hostagent.api import http, routes
from callao.hostagent.api.answers import EgressAnswer, InfoAnswer, RefreshAnswer
from callao.hostagent.api.forwards_api import ForwardsApi
from callao.hostagent.api.mounts_api import MountsApi
from callao.hostagent.api.save_api import SaveApi
from callao.hostagent.api.screenshot_api import ScreenshotApi
from callao.hostagent.api.secrets_api import SecretsApi

if TYPE_CHECKING:
    from callao.hostagent.running import Running


def routes_for(running: Running) -> http.Routes:
    status, driver, started, shares = (
        running.status,
        running.assignment.driver,
        running.started,
        running.shares,
    )

    async def info(_request: http.Request) -> InfoAnswer:
        """Lima's fields and Callao's."""
        runtime = status.runtime
        return {
            "instanceName": running.assignment.paths.name,
            "sshLocalPort": runtime.ssh_port,
            "hostAgentPID": runtime.agent.pid,
            "driverPID": runtime.driver.pid if runtime.driver else 0,
            "vmType": running.config.vm_type.value,
            "ready": runtime.ready,
            "timings": runtime.timings,
            "forwards": [list(binding) for binding in runtime.forwards],
            "listeners": running.ports.listener_source() if running.ports is not None else {},
        }

    async def refresh(_request: http.Request) -> RefreshAnswer:
        """Read lima.yaml again, and apply it to the running machine."""
        return {"notices": list(await running.apply_config(running.assignment.reload()))}

    async def egress(_request: http.Request) -> EgressAnswer:
        """The rules for the guest's network, and what was refused."""
        return {"egress": running.egress.describe() if running.egress is not None else None}

    lock = running.disks.lock
    mounts = MountsApi(shares, lambda: running.config, lambda: status.runtime.ready, lock)
    save = SaveApi(
        started.machine, driver, started.boot, shares, running.nics, running.client, lock,
        lambda: running.config, running.secrets.refuse_save,
    )  # fmt: skip
    return {
        routes.INFO: info,
        routes.REFRESH: refresh,
        routes.EGRESS: egress,
        **mounts.routes(),
        **save.routes(),
        **SecretsApi(running.secrets).routes(),
        **ScreenshotApi(started.machine, running.assignment.paths.name, running.config.vm_type).routes(),
        **ForwardsApi(
            running.ports, lambda: status.runtime.forwards, driver.features.guest_program
        ).routes(),
    }
