# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a running machine to the state ready: waits for its stages, and sets up mounts and forwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callao.drivers import LiveForwarder, StateSaver
from callao.errors import PortTaken
from callao.events import Stage
from callao.hostagent import journal
from callao.hostagent.boot.guest_identity import RestoredGuest
from callao.hostagent.boot.probes import check_probe
from callao.hostagent.boot.readiness import log_in_to_restored, wait_until_booted
from callao.instances import ResumeState

if TYPE_CHECKING:
    from callao.hostagent.running import Running


async def bring_up(running: Running, deadline: float) -> None:
    """Wait until the machine is ready, and report each stage when it is done.

    :param deadline: on :func:`time.monotonic`'s clock.
    :raises CallaoError: naming the stage that failed.
    """
    resume_state, status, ports = running.assignment.resume_state, running.status, running.ports
    if resume_state is not None:
        await _resume(running, resume_state)
    if ports is not None:
        ports.start()
    await _open_master(running, deadline)
    if ports is not None:
        await ports.open()
    if resume_state is None:
        await running.nics.wait_configured(running.config)
        await running.shares.mount_configured(running.config)
    else:
        await running.nics.apply_after_restore(running.config)
        await running.disks.apply_after_restore(running.config)
        await running.shares.apply_after_restore(running.config)
    if ports is not None and resume_state is not None:
        await ports.wait_synchronized()
    if running.shares.mounted:
        status.passed(Stage.MOUNTS)
    await running.secrets.put_all(status.notice)
    for index, probe in enumerate(running.config.probes):
        await check_probe(index, probe, running.client, deadline, running.config.param)
    status.passed(Stage.PROBES)
    if running.config.copy_to_host:
        await running.copies.copy_configured(running.config)
        status.passed(Stage.COPIES)
    if ports is not None:
        await ports.wait_forwarded()
    status.update(ready=True)
    status.passed(Stage.READY, running.config.message)
    journal.write(running=True, sshLocalPort=running.started.reach.port)


async def _open_master(running: Running, deadline: float) -> None:
    assignment, status, reach = running.assignment, running.status, running.started.reach
    if assignment.resume_state is not None:
        running.master = await log_in_to_restored(
            assignment.paths, assignment.driver, running.client, reach, deadline
        )
        status.passed(Stage.SSHD)
        return
    running.master = await wait_until_booted(
        assignment.paths,
        assignment.driver,
        running.config,
        running.client,
        reach,
        deadline,
        status.passed,
        status.progress,
    )


async def _resume(running: Running, resume_state: ResumeState) -> None:
    """Resume a restored machine; a copy gets its own identity before its ports are forwarded."""
    machine, started = running.machine, running.started
    assert isinstance(machine, StateSaver)
    if resume_state.instance_id:
        restored = RestoredGuest(
            running.assignment.paths, machine.channel, resume_state.hostname, resume_state.instance_id
        )
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
            started.forwards.remove(forward)  # forwarded later, when the port is free
    if running.ports is not None:
        running.ports.set_static(running.forwards.bindings())
    running.status.passed(Stage.IDENTITY)
