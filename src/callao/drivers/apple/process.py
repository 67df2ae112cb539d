# SPDX-License-Identifier: GPL-3.0-or-later
"""A running vfkit or krunkit: a child of the host agent, asked by its REST service or by signals."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from callao.atomic import write_volatile
from callao.config import VMType
from callao.drivers.apple import rest, short_folder
from callao.drivers.apple.files import Sockets, tool_log
from callao.drivers.apple.gvproxy import Gvproxy
from callao.drivers.apple.relay import Relay
from callao.drivers.base import GuestNic
from callao.errors import DriverError
from callao.file_end import read_end
from callao.instances import InstancePaths
from callao.printable import printable
from callao.system import die_with_parent, open_unix_socket

if TYPE_CHECKING:
    from callao.drivers.base import Channel

PATIENCE = 60.0
"""Seconds for a machine to run: macOS checks the program's signature at its first start."""

_POLL = 0.05
_LONGEST = 4096
"""Bytes at the end of the log that are shown."""


@dataclass
class Companions:
    """What serves a machine, and ends with it. ``relays`` are those of its NICs, by the guest's names."""

    paths: InstancePaths
    sockets: Sockets
    relays: Mapping[str, Relay] = field(default_factory=dict)
    gvproxy: Gvproxy | None = None

    async def end(self) -> None:
        for relay in self.relays.values():
            relay.close()
        if self.gvproxy is not None:
            await self.gvproxy.end()
        short_folder.remove(self.paths)


class AppleMachine:
    """The contracts of :class:`callao.drivers.base.Machine` and ``NicHotPlugger``; the latter for the NICs
    that the machine was started with."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        vm_type: VMType,
        companions: Companions,
        *,
        has_rest: bool,
    ) -> None:
        self._process = process
        self._vm_type = vm_type
        self._companions = companions
        self._sockets = companions.sockets
        self._has_rest = has_rest

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        status = await self._process.wait()
        await self._companions.end()
        return status

    async def power_button(self) -> None:
        if not self._has_rest:
            raise DriverError(
                f"this version of {self._vm_type} cannot ask the guest to shut down: its REST service is "
                "not usable before 1.3.1."
            )
        await rest.change_state(self._sockets.rest, "Stop")

    async def quit(self) -> None:
        try:
            if not self._has_rest:
                raise DriverError("there is no REST service")
            await rest.change_state(self._sockets.rest, "HardStop")
        except DriverError:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def channel(self) -> Channel:
        return await open_unix_socket(self._sockets.program)

    async def plug_nic(self, nic: GuestNic, stream: int) -> None:
        self._relay(nic.interface).connect(stream)

    async def relink_nic(self, interface: str, stream: int) -> None:
        self._relay(interface).connect(stream)

    async def unplug_nic(self, interface: str) -> None:
        raise DriverError(
            f"networks: {interface}: a {self._vm_type} machine loses no interface while it runs.",
            hint="Stop the instance first.",
        )

    def _relay(self, interface: str) -> Relay:
        relay = self._companions.relays.get(interface)
        if relay is None:
            raise DriverError(
                f"networks: {interface}: a {self._vm_type} machine takes no interface while it runs.",
                hint="Restart the instance.",
            )
        return relay


async def launch(
    argv: Sequence[str], vm_type: VMType, companions: Companions, *, has_rest: bool
) -> AppleMachine:
    """Start the program in a session of its own; returns when its machine runs.

    The companions are the machine's from then on; when this fails, they are ended.

    :raises DriverError: with the program's own words when it ends or hangs.
    """
    try:
        process = await _spawned(argv, vm_type, companions)
        try:
            write_volatile(companions.paths.driver_pid(vm_type), f"{process.pid}\n".encode())
            await _runs(process, vm_type, companions, has_rest=has_rest)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            companions.paths.driver_pid(vm_type).unlink(missing_ok=True)
            raise
    except BaseException:
        await companions.end()
        raise
    return AppleMachine(process, vm_type, companions, has_rest=has_rest)


async def _spawned(
    argv: Sequence[str], vm_type: VMType, companions: Companions
) -> asyncio.subprocess.Process:
    paths = companions.paths
    logs = (tool_log(paths, vm_type), paths.serial_log)
    for each in logs:
        each.unlink(missing_ok=True)
    theirs = [relay.theirs for relay in companions.relays.values()]
    try:
        with logs[0].open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(),
                start_new_session=True,
                pass_fds=[each.fileno() for each in theirs],
            )
    except OSError as error:
        raise DriverError(f"{argv[0]} cannot be started: {error.strerror or error}.") from error
    for end in theirs:
        end.close()
    return process


async def _runs(
    process: asyncio.subprocess.Process, vm_type: VMType, companions: Companions, *, has_rest: bool
) -> None:
    """Wait for the REST service to say so; without one, for the program's pid file."""
    log, sockets = tool_log(companions.paths, vm_type), companions.sockets
    deadline = asyncio.get_running_loop().time() + PATIENCE
    why = "it told of none."
    while process.returncode is None:
        if asyncio.get_running_loop().time() > deadline:
            raise DriverError(f"{vm_type}: no machine ran within {PATIENCE:.0f} s, {why} {_words(log)}")
        if has_rest and sockets.rest.exists():
            try:
                if (state := await rest.state_of(sockets.rest)) == "Running":
                    return
                why = f"its state is {printable(state)}."
            except DriverError as error:
                why = error.message
        elif not has_rest and sockets.pid_file.exists():
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(process.wait()), _POLL)
    raise DriverError(f"{vm_type}: the program ended with status {process.returncode}. {_words(log)}")


def _words(log: Path) -> str:
    """The end of what the program wrote."""
    said = printable(read_end(log, _LONGEST).decode(errors="replace")).strip()
    return f"It wrote: {said}" if said else "It wrote nothing."
