# SPDX-License-Identifier: GPL-3.0-or-later
"""The host agent's second state: a machine that runs, with all that serves it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import msgspec

from callao.config import Config
from callao.disks.ownership import release_all
from callao.drivers import OutOfSpacePauser
from callao.errors import AgentError, CallaoError, StageFailed
from callao.events import Stage
from callao.hostagent import journal, unexpected
from callao.hostagent.api import http
from callao.hostagent.api.service import routes_of
from callao.hostagent.assignment import Assignment
from callao.hostagent.boot import evidence
from callao.hostagent.boot.bringup import bring_up
from callao.hostagent.boot.machine_start import StartedMachine
from callao.hostagent.disks import Disks
from callao.hostagent.logs import keep_bounded
from callao.hostagent.mounts.shares import Shares
from callao.hostagent.nics.nics import Nics
from callao.hostagent.ports.forwards import Forwards
from callao.hostagent.ports.liveports import LivePorts
from callao.hostagent.ports.taken import refuse_taken
from callao.hostagent.shutdown import QUICK, UNREADY, end_machine, shut_down
from callao.hostagent.space import SpaceWatch
from callao.hostagent.sshconfig import write_ssh_config
from callao.hostagent.status import RunStatus
from callao.hostagent.unexpected import attempt
from callao.instances import fingerprint, ssh_alias
from callao.instances.process_identity import identify
from callao.instances.status import paused_message
from callao.instances.stop_policy import StopPolicy
from callao.resolver import Resolver
from callao.ssh import Client, terminate

_MASTER_PAUSE = 1.0
"""Seconds between two tries to log in again."""


class Running:
    """From the machine's start to its end."""

    def __init__(
        self,
        at: Assignment,
        status: RunStatus,
        started: StartedMachine,
        resolver: Resolver | None,
        greeting: Sequence[Mapping[str, object]],
    ) -> None:
        """:param greeting: what a guest's program is told each time it has said hello."""
        self.at, self.status, self.started = at, status, started
        self.config = self.booted = at.config
        self.machine, port = started.machine, started.reach.port
        self.off = asyncio.ensure_future(self.machine.wait())
        self.client = Client(at.paths.ssh_config, ssh_alias(at.paths.name), at.paths.ssh_sock)
        self.forwards = Forwards(self.machine, started.forwards, port)
        self.shares = Shares(self.machine, at.driver.features, self.client)
        self.disks = Disks(self.machine, at.driver.features, self.client, at.paths)
        self.disks.began_with([each.name for each in started.boot.disks], self.config)
        self.nics = Nics(self.machine, at.driver.features, self.client, at.paths, self._note_names)
        self.resolver = resolver
        self.space = (
            SpaceWatch(self.machine, at.paths, status.notice)
            if isinstance(self.machine, OutOfSpacePauser)
            else None
        )
        self.ports = None if at.config.plain else self._live_ports(greeting)
        self.master: asyncio.subprocess.Process | None = None
        """While the guest lets us in."""
        self.stopping: asyncio.Future[str] | None = None
        """Once it is being switched off."""
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    def _live_ports(self, greeting: Sequence[Mapping[str, object]]) -> LivePorts:
        ports = LivePorts(
            self.machine,
            self.client,
            self.config,
            ssh_port=self.started.reach.port,
            network=self.at.driver.network(self.config),
            sockets=self.at.paths.sock_dir,
            changed=self.note_forwards,
            greeting=greeting,
        )
        ports.hold(self.forwards.bindings())
        return ports

    async def run(self) -> None:
        """Serve it until it is off."""
        at, status = self.at, self.status
        self._in_background(keep_bounded(at.paths.dir))
        self._in_background(self._leave_with_folder())
        if self.space is not None:
            self._in_background(self.space.run())
        forwards = self.forwards.bindings()
        reach = self.started.reach
        status.note(driver=identify(self.machine.pid), **reach.fields(), forwards=forwards)
        status.passed(Stage.DRIVER)
        write_ssh_config(at.paths, self.config, reach)
        if at.take_up is None:
            await self.nics.begin(self.config)
        server = await http.serve(at.paths.ha_sock, routes_of(self))
        try:
            self._in_background(self._become_ready())
            exit_status = await self.off
        finally:
            server.close()
        await self.close()
        if not status.runtime.ready and self.stopping is None and status.runtime.failure is None:
            message = f"the machine went off (status {exit_status}) before it was ready."
            lines = evidence.of_machine(at.driver.evidence(at.paths))
            self.failed(Stage.DRIVER, StageFailed(message, stage=Stage.DRIVER, evidence=lines))

    def stop(self, policy: StopPolicy) -> None:
        """Switch it off; returns at once. A second, quicker policy overtakes the first."""
        if self.stopping is not None and policy is not QUICK:
            return
        client = self.client if self.master is not None else None
        if client is None and policy is not QUICK:
            policy = UNREADY
        if self.space is not None and self.space.paused:
            policy = QUICK
            journal.notice("the machine is paused: it is switched off, its guest not told.")
        self.stopping = asyncio.ensure_future(shut_down(self.machine, client, policy))

    def failed(self, stage: Stage, error: CallaoError) -> None:
        hint = error.hint
        if self.space is not None and self.space.paused:
            hint = f"Meanwhile {paused_message(self.at.paths)}"
        try:
            self.status.failed(stage, error, hint)
        except OSError:  # the disk is full: who waits for us hears nothing but our end
            self.stop(QUICK)

    async def close(self) -> None:
        """End what serves the machine, and the machine where it still runs; nothing the second time."""
        while self._tasks:
            task = self._tasks.pop()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._closed:
            return
        self._closed = True
        if self.ports is not None:
            await attempt("the end of the port forwards", self.ports.close())
        if self.resolver is not None:
            await attempt("the end of the resolver", self.resolver.close())
        await attempt("the end of the mounts", self.shares.close())
        await attempt("the end of the networks", self.nics.close())
        if self.master is not None:
            await attempt("the end of the ssh master", terminate(self.master))
        if not self.off.done():
            await attempt("the end of the machine", end_machine(self.machine))
            await attempt("the end of the machine", self.off)
        release_all(self.at.paths.dir)  # not before: until then the guest's writes may be under way
        self.status.flush()
        self.at.folder.remove(self.at.paths.runtime_files)

    async def take_over(self, config: Config) -> list[str]:
        """Have what runs be what lima.yaml says now, as far as a running machine can.

        :returns: notices on what has no effect.
        :raises CallaoError: when a port of the host is taken, or a disk cannot be attached or detached.
        """
        refuse_taken(config.port_forwards, self.status.runtime.forwards, self.config.port_forwards)
        await self.disks.become(config)
        await self._become_networks(config)
        try:
            notices = await self.forwards.become(config)
            if self.ports is not None:
                await self.ports.become(config, self.forwards.bindings())
        finally:
            self.note_forwards()
        self.config = config
        write_ssh_config(self.at.paths, config, self.started.reach)
        if self.shares.are_those_of(config):
            self.booted = msgspec.structs.replace(self.booted, mounts=config.mounts)
            self.status.note(booted=fingerprint(self.booted))
        return notices

    async def _become_networks(self, config: Config) -> None:
        """Not while the machine is saved, which cannot be with a network interface."""
        async with self.disks.lock:
            await self.nics.become(config)

    def _note_names(self, names: Mapping[str, str]) -> None:
        """Those of the networks have changed."""
        if self.resolver is not None:
            from callao.hostagent.channel.nameservice import names_of
            from callao.resolver import ConfiguredNames

            at = self.at
            rules = names_of(self.config, at.paths.name, at.driver.network(self.config), names)
            self.resolver.replace_names(ConfiguredNames(rules))

    def note_forwards(self) -> None:
        """They have changed."""
        live = self.ports.bindings() if self.ports is not None else ()
        self.status.note_forwards((*self.forwards.bindings(), *live))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.ensure_future(work))

    async def _leave_with_folder(self) -> None:
        await self.at.folder.removed()
        self.stop(QUICK)

    async def _become_ready(self) -> None:
        try:
            await bring_up(self, time.monotonic() + self.at.timeout)
        except CallaoError as error:
            stage = Stage(error.stage) if isinstance(error, StageFailed) else Stage.SSHD
            self.failed(stage, error)
        except Exception as error:  # whatever a guest, the host or a mistake of ours brings about
            self.failed(Stage.SSHD, unexpected.failure(error))
        else:
            await self._keep_master()

    async def _keep_master(self) -> None:
        """What a guest that restarts its sshd, or a host that slept too long, has ended is opened anew."""
        while self.master is not None:
            await self.master.wait()
            await asyncio.sleep(_MASTER_PAUSE)
            try:
                self.master = await self.client.open_master(timeout=60.0)
                if self.ports is not None:
                    await self.ports.open()
            except (AgentError, OSError):
                continue
            except Exception as error:  # the next connection may do better
                unexpected.tell("a new connection to the guest", error)
