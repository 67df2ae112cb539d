# SPDX-License-Identifier: GPL-3.0-or-later
"""The host agent's second state: the machine runs, with all that serves it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from callao.cancellation import cancel_and_wait
from callao.config import Config
from callao.disks.ownership import release_all
from callao.drivers import OutOfSpacePauser
from callao.errors import CallaoError, StageFailed
from callao.events import Stage
from callao.hostagent import journal, unexpected
from callao.hostagent.api import http
from callao.hostagent.api.route_table import routes_for
from callao.hostagent.assignment import Assignment
from callao.hostagent.boot import log_tails
from callao.hostagent.boot.bringup import bring_up
from callao.hostagent.boot.machine_start import StartedMachine
from callao.hostagent.copies import HostCopies
from callao.hostagent.disk_full import DiskFullWatch
from callao.hostagent.disks import AttachedDisks
from callao.hostagent.log_limit import limit_logs
from callao.hostagent.master import keep_master
from callao.hostagent.mounts.shares import Shares
from callao.hostagent.nics.nics import Nics
from callao.hostagent.ports.live_ports import LivePorts
from callao.hostagent.ports.port_conflicts import refuse_taken_ports
from callao.hostagent.ports.static_forwards import StaticForwards
from callao.hostagent.secrets import GuestSecrets, InjectedSecrets, StartingValues
from callao.hostagent.shutdown import QUICK_STOP, STOP_WHILE_BOOTING, shut_down, stop_machine
from callao.hostagent.ssh_config import write_ssh_config
from callao.hostagent.status import RunStatus
from callao.hostagent.unexpected import try_step
from callao.instances import fingerprint, ssh_alias
from callao.instances.process_identity import identify
from callao.instances.status import paused_message
from callao.instances.stop_policy import StopPolicy
from callao.resolver import Resolver
from callao.ssh import Client, terminate

if TYPE_CHECKING:
    from callao.egress import EgressPoint  # loaded where there is a limit


class Running:
    """Serves the machine from its start to its end."""

    def __init__(
        self,
        assignment: Assignment,
        status: RunStatus,
        started: StartedMachine,
        resolver: Resolver | None,
        hello_messages: Sequence[Mapping[str, object]],
        egress: EgressPoint | None = None,
        secrets: StartingValues = StartingValues(),  # noqa: B008 - it is frozen
    ) -> None:
        """:param hello_messages: messages that are sent to the guest program each time that it has sent
        ``hello``.
        """
        self.assignment, self.status, self.started = assignment, status, started
        self.config = self.booted = assignment.config
        self.machine, port = started.machine, started.reach.port
        self.exited = asyncio.ensure_future(self.machine.wait())
        self.client = Client(
            assignment.paths.ssh_config, ssh_alias(assignment.paths.name), assignment.paths.ssh_sock
        )
        self.forwards = StaticForwards(self.machine, started.forwards, port)
        self.shares = Shares(self.machine, assignment.driver.features, self.client)
        self.copies = HostCopies(self.client, self.shares)
        self.disks = AttachedDisks(self.machine, assignment.driver.features, self.client, assignment.paths)
        self.disks.set_initial([each.name for each in started.boot.disks], self.config)
        self.nics = Nics(
            self.machine, assignment.driver.features, self.client, assignment.paths, self._update_names
        )
        self.resolver = resolver
        self.egress = egress
        """What limits the guest's network, if anything does."""
        self.secrets = GuestSecrets(
            self.client, self.config, secrets, self.disks.lock,
            InjectedSecrets(egress, self.client, assignment.paths.dir),
        )  # fmt: skip
        self.disk_full = (
            DiskFullWatch(self.machine, assignment.paths, status.notice)
            if isinstance(self.machine, OutOfSpacePauser)
            else None
        )
        self.ports = None if assignment.config.plain else self._live_ports(hello_messages)
        self.master: asyncio.subprocess.Process | None = None
        """The ssh control master; None before the first login."""
        self.stopping: asyncio.Future[str] | None = None
        """Set once the machine is being stopped."""
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    def _live_ports(self, hello_messages: Sequence[Mapping[str, object]]) -> LivePorts:
        ports = LivePorts(
            self.machine,
            self.client,
            self.config,
            ssh_port=self.started.reach.port,
            network=self.assignment.driver.network(self.config),
            sockets=self.assignment.paths.sock_dir,
            changed=self.update_forwards,
            hello_messages=hello_messages,
        )
        ports.set_static(self.forwards.bindings())
        return ports

    async def run(self) -> None:
        """Serve the machine until it is off."""
        assignment, status = self.assignment, self.status
        self._in_background(limit_logs(assignment.paths.dir))
        self._in_background(self._stop_with_folder())
        if self.disk_full is not None:
            self._in_background(self.disk_full.run())
        forwards = self.forwards.bindings()
        reach = self.started.reach
        status.update(driver=identify(self.machine.pid), **reach.fields(), forwards=forwards)
        status.passed(Stage.DRIVER)
        write_ssh_config(assignment.paths, self.config, reach)
        if assignment.resume_state is None:
            await self.nics.attach_configured(self.config)
        server = await http.serve(assignment.paths.ha_sock, routes_for(self))
        try:
            self._in_background(self._bring_up())
            exit_status = await self.exited
        finally:
            server.close()
        await self.close()
        if not status.runtime.ready and self.stopping is None and status.runtime.failure is None:
            message = f"the machine went off (status {exit_status}) before it was ready."
            lines = log_tails.machine_logs(assignment.driver.evidence(assignment.paths))
            self.failed(Stage.DRIVER, StageFailed(message, stage=Stage.DRIVER, evidence=lines))

    def stop(self, policy: StopPolicy) -> None:
        """Stop the machine; returns at once. A later stop with QUICK_STOP replaces an earlier one."""
        if self.stopping is not None and policy is not QUICK_STOP:
            return
        client = self.client if self.master is not None else None
        if client is None and policy is not QUICK_STOP:
            policy = STOP_WHILE_BOOTING
        if self.disk_full is not None and self.disk_full.paused:
            policy = QUICK_STOP
            journal.notice("the machine is paused: it is switched off, its guest not told.")
        self.stopping = asyncio.ensure_future(shut_down(self.machine, client, policy))

    def failed(self, stage: Stage, error: CallaoError) -> None:
        hint = error.hint
        if self.disk_full is not None and self.disk_full.paused:
            hint = f"Meanwhile {paused_message(self.assignment.paths)}"
        try:
            self.status.failed(stage, error, hint)
        except OSError:  # the disk is full: the process that waits notices only the end of this one
            self.stop(QUICK_STOP)

    async def close(self) -> None:
        """Stop what serves the machine, and the machine if it still runs. A second call does nothing."""
        while self._tasks:
            await cancel_and_wait(self._tasks.pop())
        if self._closed:
            return
        self._closed = True
        if self.ports is not None:
            await try_step("the end of the port forwards", self.ports.close())
        await try_step("the removal of copied files", self.copies.remove())
        if self.resolver is not None:
            await try_step("the end of the resolver", self.resolver.close())
        if self.egress is not None:
            await try_step("the end of the guest's network", self.egress.close())
        await try_step("the end of the mounts", self.shares.close())
        await try_step("the end of the networks", self.nics.close())
        if self.master is not None:
            await try_step("the end of the ssh master", terminate(self.master))
        if not self.exited.done():
            await try_step("the end of the machine", stop_machine(self.machine))
            await try_step("the end of the machine", self.exited)
        release_all(self.assignment.paths.dir)  # only now: the machine may have written until here
        self.status.flush()
        self.assignment.folder.remove_files(self.assignment.paths.runtime_files)

    async def apply_config(self, config: Config) -> list[str]:
        """Apply what of a changed lima.yaml a running machine can.

        :returns: notices on rules without effect.
        :raises CallaoError: when a port of the host is in use, or a disk cannot be attached or detached.
        """
        refuse_taken_ports(config.port_forwards, self.status.runtime.forwards, self.config.port_forwards)
        if self.status.runtime.ready:
            await self.copies.apply_config(self.config, config)
        await self.disks.apply_config(config)
        await self._apply_networks(config)
        if self.egress is not None and config.egress is not None:
            self.egress.replace(config.egress.allow, log=config.egress.log)
        told: list[str] = []
        await self.secrets.apply_config(config, told.append)
        try:
            notices = await self.forwards.apply_config(config)
            if self.ports is not None:
                await self.ports.apply_config(config, self.forwards.bindings())
        finally:
            self.update_forwards()
        self.config = config
        write_ssh_config(self.assignment.paths, config, self.started.reach)
        if self.shares.match_config(config):
            self.booted = msgspec.structs.replace(self.booted, mounts=config.mounts)
            self.status.update(booted=fingerprint(self.booted))
        return [*told, *notices]

    async def _apply_networks(self, config: Config) -> None:
        """Apply the networks, but not during a save, for which all interfaces are detached."""
        async with self.disks.lock:
            await self.nics.apply_config(config)

    def _update_names(self, names: Mapping[str, str]) -> None:
        """Update the resolver: the names in the networks have changed."""
        if self.resolver is not None:
            from callao.hostagent.channel.guest_resolver import resolver_rules
            from callao.resolver import ConfiguredNames

            assignment = self.assignment
            network = assignment.driver.network(self.config)
            rules = resolver_rules(self.config, assignment.paths.name, network, names)
            self.resolver.replace_names(ConfiguredNames(rules))

    def update_forwards(self) -> None:
        """Record the forwards, which have changed, in runtime.json."""
        live_bindings = self.ports.bindings() if self.ports is not None else ()
        self.status.update_forwards((*self.forwards.bindings(), *live_bindings))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.ensure_future(work))

    async def _stop_with_folder(self) -> None:
        await self.assignment.folder.wait_removed()
        self.stop(QUICK_STOP)

    async def _bring_up(self) -> None:
        try:
            await bring_up(self, time.monotonic() + self.assignment.timeout)
        except CallaoError as error:
            stage = Stage(error.stage) if isinstance(error, StageFailed) else Stage.SSHD
            self.failed(stage, error)
        except Exception as error:  # any failure of the guest, the host or this program
            self.failed(Stage.SSHD, unexpected.as_agent_error(error))
        else:
            await keep_master(self)

    async def log_in_again(self) -> None:
        """Open the control master anew; :raises AgentError: when the guest does not let it in."""
        self.master = await self.client.open_master(timeout=60.0)
        if self.ports is not None:
            await self.ports.open()
