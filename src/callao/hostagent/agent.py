# SPDX-License-Identifier: GPL-3.0-or-later
"""One instance's host agent: starts the machine, waits until it is ready, and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec

from callao.atomic import write_volatile
from callao.config import Config
from callao.drivers import Driver, LiveForwarder, Machine, SpacePauser, StateSaver
from callao.errors import AgentError, CallaoError, PortTaken, StageFailed
from callao.events import Event, EventState, Stage
from callao.host import identity_file
from callao.hostagent import evidence, journal, routes, unexpected
from callao.hostagent.folder import Folder
from callao.hostagent.guest_identity import RestoredGuest
from callao.hostagent.logs import keep_bounded
from callao.hostagent.machine_start import StartedMachine, start_machine
from callao.hostagent.probes import check_probe
from callao.hostagent.readiness import await_booted, await_return
from callao.hostagent.shutdown import shut_down
from callao.hostagent.space import SpaceWatch
from callao.hostagent.unexpected import attempt
from callao.instances import Failure, InstancePaths, Runtime, TakeUp, fingerprint, ssh_alias
from callao.instances.files import json_text
from callao.instances.present import paused_words
from callao.instances.process import identify
from callao.instances.stopping import StopPolicy
from callao.ssh import Client, Endpoint, end, render

if TYPE_CHECKING:
    from callao.hostagent import api
    from callao.hostagent.forwards import Forwards
    from callao.hostagent.liveports import LivePorts
    from callao.hostagent.shares import Shares
    from callao.resolver import Resolver

_LATER = ("api", "forwards_api", "mounts_api", "nameservice", "saving")
"""What only a machine that runs has a use for, and half of what there is to load: it is loaded while the
hypervisor starts."""

_QUICK = StopPolicy(acpi=0.0, ssh=0.0, quit=5.0)
"""For SIGTERM: no time for the guest, but the disks are flushed."""

_UNREADY = StopPolicy(acpi=15.0, ssh=0.0, quit=10.0)
"""For a guest that is still booting: it may not hear the power button yet."""

_GATHER = 0.25
"""Seconds in which changes of the forwards are gathered before runtime.json is written with them."""

_MASTER_PAUSE = 1.0
"""Seconds between two tries to log in again."""


@dataclass
class Agent:
    """The state of one run; everything happens on one event loop."""

    paths: InstancePaths
    config: Config
    driver: Driver
    timeout: float
    last_port: int
    reload: Callable[[], Config]
    """Reads lima.yaml again."""
    take_up: TakeUp | None = None
    """The state to go on from, in place of booting."""
    lifeline: int | None = None
    """A descriptor that is closed when the run ends with which the machine shall end."""
    folder: Folder = field(init=False)
    booted: Config = field(init=False)
    """What the running machine is, as far as a start would make it different."""
    began: float = field(default_factory=time.monotonic)
    runtime: Runtime = field(default_factory=lambda: Runtime(agent=identify(os.getpid())))
    machine: Machine | None = None
    started: StartedMachine | None = None
    forwards: Forwards | None = None
    master: asyncio.subprocess.Process | None = None
    shares: Shares | None = None
    ports: LivePorts | None = None
    resolver: Resolver | None = None
    keeper: asyncio.Task[None] | None = None
    server: asyncio.Server | None = None
    ready: asyncio.Task[None] | None = None
    off: asyncio.Future[int] | None = None
    logs: asyncio.Task[None] | None = None
    space: SpaceWatch | None = None
    watching: asyncio.Task[None] | None = None
    leaving: asyncio.Task[None] | None = None
    unwritten: asyncio.TimerHandle | None = None
    main: asyncio.Task[object] | None = None
    stopping: asyncio.Future[str] | None = None

    def __post_init__(self) -> None:
        self.folder = Folder(self.paths.dir)

    async def run(self) -> int:
        """Until the machine is off; returns the process's exit status.

        However it ends, that is told, and nothing is left running.
        """
        try:
            return await self._live()
        except CallaoError as error:
            self._failed(Stage.DRIVER, error)
            return 1
        except Exception as error:  # a full disk, or a mistake of ours: whoever waits for us must hear of it
            self._failed(Stage.DRIVER, unexpected.failure(error))
            return 1
        finally:
            await self._close()

    async def _live(self) -> int:
        self.booted = self.config
        self._note(booted=fingerprint(self.booted), ssh_port=self.last_port)
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        self.main = task
        loop.add_signal_handler(signal.SIGINT, lambda: self._stop(StopPolicy()))
        loop.add_signal_handler(signal.SIGTERM, lambda: self._stop(_QUICK))
        if self.lifeline is not None:
            loop.add_reader(self.lifeline, self._cut_loose)
        loading = asyncio.ensure_future(asyncio.to_thread(_load_later))
        started = await start_machine(
            self.driver, self.paths, self.config, self.last_port, self.take_up, self._report
        )
        self.started, self.machine, port = started, started.machine, started.ssh_port
        self.off = asyncio.ensure_future(self.machine.wait())
        self.logs = asyncio.ensure_future(keep_bounded(self.paths.dir))
        self.leaving = asyncio.ensure_future(self._leave_with_folder())
        if isinstance(self.machine, SpacePauser):
            self.space = SpaceWatch(self.machine, self.paths, self._notice)
            self.watching = asyncio.ensure_future(self.space.run())
        await loading
        from callao.hostagent import api
        from callao.hostagent.forwards import Forwards
        from callao.hostagent.shares import Shares

        self.forwards = Forwards(self.machine, started.forwards, port)
        self._note(driver=identify(self.machine.pid), ssh_port=port, forwards=self.forwards.bindings())
        self._passed(Stage.DRIVER)
        self._write_ssh_config(self.config)
        self.shares = Shares(self.machine, self.driver.features, self._client())
        if not self.config.plain:
            await self._prepare_channel(port)
        self.server = await api.serve(self.paths.ha_sock, self._routes())
        self.ready = asyncio.ensure_future(self._become_ready(started))
        status = await self.off
        await self._close()
        if not self.runtime.ready and self.stopping is None and self.runtime.failure is None:
            message = f"the machine went off (status {status}) before it was ready."
            self._failed(
                Stage.DRIVER,
                StageFailed(message, stage=Stage.DRIVER, evidence=evidence.of_machine(self.paths)),
            )
        self._report(Event(stage=Stage.STOP, state=EventState.DONE))
        journal.write(exiting=True, errors=[])
        return 0

    async def _prepare_channel(self, port: int) -> None:
        """What goes to and comes from the program in the guest."""
        from callao.hostagent.liveports import LivePorts
        from callao.hostagent.nameservice import start_resolver

        assert self.machine is not None
        assert self.forwards is not None
        greeting = []
        if self.config.host_resolver.enabled:
            try:
                self.resolver, ask_it = await start_resolver(self.config, self.paths.name)
                greeting.append(ask_it)
            except AgentError as error:
                self._notice(f"hostResolver: {error} The hypervisor's own name server answers instead.")
        self.ports = LivePorts(
            self.machine,
            self._client(),
            self.config,
            ssh_port=port,
            sockets=self.paths.sock_dir,
            changed=self._note_forwards,
            greeting=greeting,
        )
        self.ports.hold(self.forwards.bindings())

    async def _become_ready(self, started: StartedMachine) -> None:
        client, deadline, port = self._client(), time.monotonic() + self.timeout, started.ssh_port
        assert self.shares is not None
        try:
            if self.take_up is not None:
                await self._go_on(started, self.take_up)
            if self.ports is not None:
                self.ports.start()
            if self.take_up is None:
                self.master = await await_booted(
                    self.paths, self.config, client, port, deadline, self._passed, self._progress
                )
            else:
                self.master = await await_return(self.paths, client, port, deadline)
                self._passed(Stage.SSHD)
            if self.ports is not None:
                await self.ports.open()
            bring = self.shares.mount_configured if self.take_up is None else self.shares.take_on
            await bring(self.config)
            if self.ports is not None and self.take_up is not None:
                await self.ports.caught_up()
            if self.shares.mounted:
                self._passed(Stage.MOUNTS)
            for index, probe in enumerate(self.config.probes):
                await check_probe(index, probe, client, deadline)
            self._passed(Stage.PROBES)
            if self.ports is not None:
                await self.ports.settled()
            self._note(ready=True)
            self._passed(Stage.READY, self.config.message)
            journal.write(running=True, sshLocalPort=port)
        except CallaoError as error:
            stage = Stage(error.stage) if isinstance(error, StageFailed) else Stage.SSHD
            self._failed(stage, error)
            return
        except Exception as error:  # whatever a guest, the host or a mistake of ours brings about
            self._failed(Stage.SSHD, unexpected.failure(error))
            return
        self.keeper = asyncio.ensure_future(self._keep_master())

    async def _go_on(self, started: StartedMachine, take_up: TakeUp) -> None:
        """Let the machine run on; one that is a copy is told who it is before anybody can reach it."""
        machine = started.machine
        assert isinstance(machine, StateSaver)
        if take_up.instance_id:
            restored = RestoredGuest(self.paths, machine.channel, take_up.hostname, take_up.instance_id)
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
        if self.ports is not None and self.forwards is not None:
            self.ports.hold(self.forwards.bindings())
        self._passed(Stage.IDENTITY)

    async def _keep_master(self) -> None:
        """What a guest that restarts its sshd, or a host that slept too long, has ended is opened anew."""
        while self.master is not None:
            await self.master.wait()
            await asyncio.sleep(_MASTER_PAUSE)
            try:
                self.master = await self._client().open_master(timeout=60.0)
                if self.ports is not None:
                    await self.ports.open()
            except (AgentError, OSError):
                continue
            except Exception as error:  # the next connection may do better
                unexpected.tell("a new connection to the guest", error)

    async def _close(self) -> None:
        """End what serves the machine, and the machine where it still runs; nothing the second time."""
        for task in (self.ready, self.keeper, self.logs, self.watching, self.leaving):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if self.server is not None:
            self.server.close()
        if self.ports is not None:
            await attempt("the end of the port forwards", self.ports.close())
        if self.resolver is not None:
            await attempt("the end of the resolver", self.resolver.close())
        if self.shares is not None:
            await attempt("the end of the mounts", self.shares.close())
        if self.master is not None:
            await attempt("the end of the ssh master", end(self.master))
        if self.machine is not None and self.off is not None and not self.off.done():
            await attempt("the end of the machine", self._end_machine(self.machine, self.off))
        if self.unwritten is not None:
            self.unwritten.cancel()
            self._write_runtime()
        self.ready = self.keeper = self.logs = self.watching = self.leaving = self.server = None
        self.ports = self.resolver = self.shares = self.master = None
        if self.folder.is_in_place():
            for path in self.paths.of_processes:
                with contextlib.suppress(OSError):
                    path.unlink()

    async def _end_machine(self, machine: Machine, off: asyncio.Future[int]) -> None:
        await shut_down(machine, None, _QUICK)
        await off

    def _stop(self, policy: StopPolicy) -> None:
        """From a signal. A second, quicker one overtakes the first."""
        if self.machine is None:
            assert self.main is not None
            self.main.cancel()
            return
        if self.stopping is None or policy is _QUICK:
            client = self._client() if self.master is not None else None
            if client is None and policy is not _QUICK:
                policy = _UNREADY
            if self.space is not None and self.space.paused:
                policy = _QUICK
                journal.notice("the machine is paused: it is switched off, its guest not told.")
            self.stopping = asyncio.ensure_future(shut_down(self.machine, client, policy))

    def _cut_loose(self) -> None:
        """Nobody waits for the machine any more."""
        assert self.lifeline is not None
        asyncio.get_running_loop().remove_reader(self.lifeline)
        self._stop(_QUICK)

    async def _leave_with_folder(self) -> None:
        await self.folder.removed()
        self._stop(_QUICK)

    def _routes(self) -> api.Routes:
        from callao.hostagent.forwards_api import ForwardsApi
        from callao.hostagent.mounts_api import MountsApi
        from callao.hostagent.saving import Saver

        assert self.shares is not None
        assert self.started is not None
        mounts = MountsApi(self.shares, lambda: self.config, lambda: self.runtime.ready)
        saver = Saver(
            self.started.machine, self.driver, self.started.boot, self.shares, self._client(), mounts.lock
        )
        return {
            routes.INFO: self._info,
            routes.REFRESH: self._refresh,
            **mounts.routes(),
            **saver.routes(),
            **ForwardsApi(self.ports, lambda: self.runtime.forwards).routes(),
        }

    async def _info(self, _request: api.Request) -> object:
        """Lima's ``sshLocalPort``, and what we know beyond it."""
        return {
            "instanceName": self.paths.name,
            "sshLocalPort": self.runtime.ssh_port,
            "hostAgentPID": self.runtime.agent.pid,
            "driverPID": self.runtime.driver.pid if self.runtime.driver else 0,
            "vmType": self.config.vm_type.value,
            "ready": self.runtime.ready,
            "timings": self.runtime.timings,
            "forwards": [list(binding) for binding in self.runtime.forwards],
            "listeners": self.ports.hearing() if self.ports is not None else {},
        }

    async def _refresh(self, _request: api.Request) -> object:
        """Take over what lima.yaml says now, as far as a running machine can."""
        from callao.hostagent.asked import refuse_taken

        assert self.forwards is not None
        config = self.reload()
        refuse_taken(config.port_forwards, self.runtime.forwards, self.config.port_forwards)
        try:
            notices = await self.forwards.become(config)
            if self.ports is not None:
                await self.ports.become(config, self.forwards.bindings())
        finally:
            self._note_forwards()
        self.config = config
        self._write_ssh_config(config)
        if self.shares is not None and self.shares.are_those_of(config):
            self.booted = msgspec.structs.replace(self.booted, mounts=config.mounts)
            self._note(booted=fingerprint(self.booted))
        return {"notices": notices}

    def _note_forwards(self) -> None:
        held = self.forwards.bindings() if self.forwards is not None else ()
        live = self.ports.bindings() if self.ports is not None else ()
        self.runtime = msgspec.structs.replace(self.runtime, forwards=(*held, *live))
        if self.unwritten is None:
            self.unwritten = asyncio.get_running_loop().call_later(_GATHER, self._write_runtime)

    def _write_runtime(self) -> None:
        """What the forwards have become. A disk that is full has older ones; the next change tries again."""
        self.unwritten = None
        with contextlib.suppress(OSError):
            self._note()

    def _client(self) -> Client:
        return Client(
            config=self.paths.ssh_config, alias=ssh_alias(self.paths.name), socket=self.paths.ssh_sock
        )

    def _write_ssh_config(self, config: Config) -> None:
        endpoint = Endpoint(
            alias=ssh_alias(self.paths.name),
            port=self.runtime.ssh_port,
            user=config.user.name,
            identity=identity_file(self.paths.dir.parent),
            known_hosts=self.paths.known_hosts,
            control_path=self.paths.ssh_sock,
            forward_agent=config.ssh.forward_agent,
            forward_x11=config.ssh.forward_x11,
            forward_x11_trusted=config.ssh.forward_x11_trusted,
        )
        write_volatile(self.paths.ssh_config, render(endpoint).encode(), mode=0o600)

    def _passed(self, stage: Stage, message: str = "") -> None:
        seconds = round(time.monotonic() - self.began, 3)
        self._note(timings={**self.runtime.timings, stage.value: seconds})
        self._report(Event(stage=stage, state=EventState.DONE, seconds=seconds, message=message))

    def _notice(self, message: str) -> None:
        self._report(Event(stage=Stage.DRIVER, state=EventState.NOTICE, message=message))

    def _progress(self, stage: Stage, message: str) -> None:
        self._report(Event(stage=stage, state=EventState.PROGRESS, message=message))

    def _failed(self, stage: Stage, error: CallaoError) -> None:
        lines = getattr(error, "evidence", "")
        hint = error.hint
        if self.space is not None and self.space.paused:
            hint = f"Meanwhile {paused_words(self.paths)}"
        message = f"{error.message} {hint}".strip()
        with contextlib.suppress(OSError):
            self._note(failure=Failure(stage=stage.value, message=message, evidence=lines))
        try:
            self._report(Event(stage=stage, state=EventState.FAILED, message=message))
            journal.write(degraded=True, errors=[message])
        except OSError:
            # The disk is full. Who waits for us hears nothing but our end.
            if self.machine is not None:
                self._stop(_QUICK)

    def _report(self, event: Event) -> None:
        journal.write(event.timed(round(time.monotonic() - self.began, 3)))

    def _note(self, **values: object) -> None:
        self.runtime = msgspec.structs.replace(self.runtime, **values)
        write_volatile(self.paths.runtime, json_text(self.runtime), mode=0o600)


def _load_later() -> None:
    for name in _LATER:
        import_module(f"callao.hostagent.{name}")
