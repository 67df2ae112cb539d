# SPDX-License-Identifier: GPL-3.0-or-later
"""From a machine that runs to one that is ready: what is waited for, and what is set up on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callao.drivers import LiveForwarder, StateSaver
from callao.errors import PortTaken
from callao.events import Stage
from callao.hostagent import journal
from callao.hostagent.boot.guest_identity import RestoredGuest
from callao.hostagent.boot.probes import check_probe
from callao.hostagent.boot.readiness import await_booted, await_return
from callao.instances import ResumeState

if TYPE_CHECKING:
    from callao.hostagent.running import Running


async def bring_up(running: Running, deadline: float) -> None:
    """Wait until the machine is ready; each stage is told when it has passed.

    :param deadline: on :func:`time.monotonic`'s clock.
    :raises CallaoError: naming what did not come.
    """
    take_up, status, ports = running.at.take_up, running.status, running.ports
    if take_up is not None:
        await _go_on(running, take_up)
    if ports is not None:
        ports.start()
    await _log_in(running, deadline)
    if ports is not None:
        await ports.open()
    if take_up is None:
        await running.nics.settle(running.config)
        await running.shares.mount_configured(running.config)
    else:
        await running.nics.take_on(running.config)
        await running.disks.take_on(running.config)
        await running.shares.take_on(running.config)
    if ports is not None and take_up is not None:
        await ports.caught_up()
    if running.shares.mounted:
        status.passed(Stage.MOUNTS)
    for index, probe in enumerate(running.config.probes):
        await check_probe(index, probe, running.client, deadline)
    status.passed(Stage.PROBES)
    if ports is not None:
        await ports.settled()
    status.note(ready=True)
    status.passed(Stage.READY, running.config.message)
    journal.write(running=True, sshLocalPort=running.started.reach.port)


async def _log_in(running: Running, deadline: float) -> None:
    at, status, reach = running.at, running.status, running.started.reach
    if at.take_up is not None:
        running.master = await await_return(at.paths, at.driver, running.client, reach, deadline)
        status.passed(Stage.SSHD)
        return
    running.master = await await_booted(
        at.paths, at.driver, running.config, running.client, reach, deadline, status.passed, status.progress
    )


async def _go_on(running: Running, take_up: ResumeState) -> None:
    """Let the machine run on; one that is a copy is told who it is before anybody can reach it."""
    machine, started = running.machine, running.started
    assert isinstance(machine, StateSaver)
    if take_up.instance_id:
        restored = RestoredGuest(running.at.paths, machine.channel, take_up.hostname, take_up.instance_id)
        await restored.connect()
        await machine.resume()
        await restored.set_identity()
    else:
        await machine.resume()
    for forward in started.deferred:
        assert isinstance(machine, LiveForwarder)
        try:
            await machine.add_forward(forward)
        except PortTaken:
            if forward not in started.forwards:
                raise
            started.forwards.remove(forward)  # the guest's listener is forwarded when the port is free
    if running.ports is not None:
        running.ports.hold(running.forwards.bindings())
    running.status.passed(Stage.IDENTITY)
