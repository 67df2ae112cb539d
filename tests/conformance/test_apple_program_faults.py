# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the stand-ins' own programs, from the question for their version to the end of their machine."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from support.apple import faults as injected
from support.apple.faults import Fault
from support.apple.install import install

from callao.config import Config, effective
from callao.drivers import Boot, driver_for
from callao.drivers.apple import process, rest, short_folder, tools
from callao.drivers.apple.files import Sockets
from callao.errors import DriverError
from callao.events import silent
from callao.host import Host
from callao.hostagent.shutdown import shut_down
from callao.instances import InstancePaths
from callao.instances.stop_policy import StopPolicy
from callao.ports import any_free
from callao.system import die_with_parent

SEED = 20
MACHINES = ("vz", "krunkit 1.3.1", "krunkit 1.2.1")
ENDS_IN_AN_ERROR = (Fault.START_EXIT, Fault.START_KILLED, Fault.START_HANG)
AT_ONCE = 6
PATH = os.environ["PATH"]


@dataclass(frozen=True)
class Case:
    machine: str
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        return " ".join([self.machine, *(each.value for each in self.faults)])


def _all_cases() -> list[Case]:
    """Each fault alone, then pairs."""
    alone = [Case(machine, (fault,)) for fault in Fault for machine in MACHINES]
    pairs = [Case(each, pair) for pair in itertools.combinations(Fault, 2) for each in MACHINES]
    return [*alone, *random.Random(SEED).sample(pairs, 200 - len(alone))]


CASES = _all_cases()
OFTEN = [
    Case("vz", (Fault.VERSION_GARBAGE, Fault.OUTPUT_GARBAGE)),
    Case("vz", (Fault.START_EXIT,)),
    Case("vz", (Fault.RUN_KILLED, Fault.LOG_FLOOD)),
    Case("vz", (Fault.REST_HALF,)),
    Case("vz", (Fault.REST_STALL, Fault.SIGNALS_IGNORED)),
    Case("vz", (Fault.STOP_IGNORED, Fault.VSOCK_GARBAGE)),
    Case("krunkit 1.3.1", (Fault.START_HANG,)),
    Case("krunkit 1.3.1", (Fault.REST_HELD, Fault.VSOCK_HANG)),
    Case("krunkit 1.3.1", (Fault.REST_GARBAGE,)),
    Case("krunkit 1.3.1", (Fault.REST_500, Fault.LINGER)),
    Case("krunkit 1.2.1", (Fault.PIDFILE_STALE, Fault.SIGNALS_IGNORED)),
    Case("krunkit 1.2.1", (Fault.START_KILLED, Fault.VERSION_FAILS)),
]


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a test: so many programs hang."""
    monkeypatch.setattr(process, "PATIENCE", 4.0)
    monkeypatch.setattr(rest, "PATIENCE", 0.5)
    monkeypatch.setattr(tools, "_PATIENCE", 1.0)


@pytest.mark.usefixtures("patience")
def test_a_dozen_faults_of_the_programs_end_in_a_machine_that_can_be_ended_or_in_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _try_all(OFTEN, tmp_path, monkeypatch)


@pytest.mark.long
@pytest.mark.usefixtures("patience")
def test_two_hundred_faults_of_the_programs_end_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(CASES) == 200
    _try_all(CASES, tmp_path, monkeypatch)


def _try_all(cases: Sequence[Case], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    die_with_parent()  # a process's first call may start what it keeps
    before = psutil.Process().children(recursive=True)
    outcomes = asyncio.run(_outcomes(cases, folder, monkeypatch))
    assert psutil.Process().children(recursive=True) == before
    assert [each for each in outcomes if "Traceback" in each or "\x1b" in each] == []
    for case, came_to in zip(cases, outcomes, strict=True):
        if set(case.faults) & set(ENDS_IN_AN_ERROR):
            assert came_to.partition(":")[0] in ("vz", "krunkit"), (case, came_to)


async def _outcomes(cases: Sequence[Case], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Sequence[str]:
    """What comes of each, some of them at the same time, since most of it is waiting."""
    some = asyncio.Semaphore(AT_ONCE)

    async def outcome(number: int, case: Case) -> str:
        paths = InstancePaths(folder / f"box {number}")
        paths.dir.mkdir()
        environment = {
            "CALLAO_STAND_IN_GUEST": "none",
            injected.VARIABLE: ",".join(each.value for each in case.faults),
            "CALLAO_STAND_IN_KRUNKIT_VERSION": case.machine.rpartition(" ")[2],
            "CALLAO_STAND_IN_LEASES": str(paths.dir / "leases"),
        }
        programs = install(folder / f"bin {number}", environment, ("vfkit", "krunkit", "gvproxy"))
        async with some:
            monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{PATH}")  # the start reads it before it waits
            came_to = await _life(case, paths)
        assert not short_folder.folder_of(paths).exists(), case
        assert not paths.sockets.is_symlink(), case
        return came_to

    return await asyncio.gather(*itertools.starmap(outcome, enumerate(cases)))


async def _life(case: Case, paths: InstancePaths) -> str:
    """How the machine ended: the method, or an error's words."""
    config = _config(case, paths)
    for each in (paths.disk, paths.cidata_iso):
        each.write_bytes(b"\0" * 4096)
    driver = driver_for(config.vm_type)
    try:
        boot = Boot(paths, config, driver.reach(paths, config, any_free()), mac_address="52:55:55:00:00:01")
        machine = await driver.start(boot, silent)
    except DriverError as error:
        return error.message
    await _call_the_guest(paths)
    way = await shut_down(machine, None, StopPolicy(acpi=1.0, ssh=0.0, quit=1.0))
    await machine.wait()
    return way


async def _call_the_guest(paths: InstancePaths) -> None:
    """As the host agent does: whatever answers, it is not waited for."""
    try:
        async with asyncio.timeout(0.5):
            reader, writer = await asyncio.open_unix_connection(
                Sockets(short_folder.folder_of(paths)).program
            )
            writer.write(b"{}\n")
            await reader.read(100)
            writer.close()
    except (OSError, TimeoutError):
        pass


def _config(case: Case, paths: InstancePaths) -> Config:
    host = Host.detect()
    document = {
        "vmType": case.machine.partition(" ")[0],
        "images": [{"location": "/a.qcow2", "arch": host.arch}],
        "cpus": 1,
        "memory": "512MiB",
    }
    return effective(document, host, name="box", instance_dir=paths.dir)
