# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk of the host under a machine that writes: a real QEMU, whose guest is a boot sector."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.waiting import PATIENCE, until
from support.writer import SIZE, command_line, make_disk, small_file_system

from callao.atomic import write_volatile
from callao.cli.arguments.running import ssh_to_running
from callao.config import dump, effective
from callao.drivers import Boot, Machine
from callao.drivers.qemu import process
from callao.drivers.qemu.driver import QemuDriver
from callao.drivers.qemu.process import QemuMachine, launch
from callao.errors import AgentError, InstanceError
from callao.events import Event, EventState, Reporter
from callao.host import Host, HostUser
from callao.hostagent import journal
from callao.hostagent.agent import Agent
from callao.hostagent.assignment import Assignment
from callao.hostagent.instance_folder import InstanceFolder
from callao.hostagent.running import Running
from callao.instances import InstancePaths, Status, inspect
from callao.instances.index import indexed_instance
from callao.instances.status import paused_message
from callao.lifecycle.wait_ready import wait_for_agent

HOST = Host("linux", "x86_64", 4, 8 * 2**30, HostUser("ann", 1000, "Ann", "/home/ann"), "")
DOCUMENT: dict[str, object] = {
    "images": [{"location": "/x"}],
    "hostResolver": {"enabled": False},
    "mounts": [],
    "plain": True,
}
ROOM = 12 << 20
BALLAST = 4 << 20


class Driver(QemuDriver):
    """Its machines fill their disk."""

    async def start(self, boot: Boot, report: Reporter) -> Machine:
        return await launch(command_line(boot.paths), boot.paths)


@pytest.fixture
def paths() -> Iterator[InstancePaths]:
    """An instance on a file system that has less space than its guest writes."""
    with tempfile.TemporaryDirectory(prefix="f-", dir="/tmp") as home:
        made = InstancePaths(Path(home) / "web")
        made.dir.mkdir()
        with small_file_system(made.dir, ROOM):
            made.lima_yaml.write_text(dump(DOCUMENT))
            (made.dir / "ballast").write_bytes(bytes(BALLAST))
            make_disk(made.disk)
            yield made


def make_space(paths: InstancePaths) -> None:
    """For all that the guest has to write."""
    subprocess.run(["mount", "-o", f"remount,size={2 * SIZE}", str(paths.dir)], check=True)


async def written(machine: Machine | None) -> int:
    """Bytes that the guest has written to its disk."""
    assert isinstance(machine, QemuMachine)
    said = await machine._execute("query-blockstats")
    assert isinstance(said, list)
    return int(said[0]["stats"]["wr_bytes"])


def an_agent(paths: InstancePaths) -> Agent:
    config = effective(DOCUMENT, HOST, name="web", instance_dir=paths.dir)
    return Agent(Assignment(paths, InstanceFolder(paths.dir), config, Driver(), PATIENCE, 0, lambda: config))


def is_paused(agent: Agent) -> bool | None:
    """None before there is a machine."""
    state = getattr(agent, "state", None)
    return state.disk_full.paused if isinstance(state, Running) and state.disk_full is not None else None


def runs(agent: Agent, then: Callable[[], Awaitable[object]], sig: signal.Signals = signal.SIGTERM) -> int:
    """The exit status of an agent that is told to end once ``then`` has returned."""

    async def play() -> int:
        life = asyncio.ensure_future(agent.run())
        await then()
        os.kill(os.getpid(), sig)
        async with asyncio.timeout(PATIENCE):
            return await life

    write_volatile(agent.status.paths.ha_pid, f"{os.getpid()}\n".encode())
    return asyncio.run(play())


def notices(text: str) -> list[str]:
    said = [journal.read(line.encode()) for line in text.splitlines()]
    every = [each.callao for each in said if each is not None and each.callao is not None]
    return [each.message for each in every if each.state is EventState.NOTICE]


def test_it_is_told_and_ends_when_there_is_space(
    paths: InstancePaths, capsys: pytest.CaptureFixture[str]
) -> None:
    agent, seen = an_agent(paths), []

    async def fills_up() -> None:
        await until(lambda: is_paused(agent) is True)
        seen.append(indexed_instance("web", paths.dir.parent))
        assert inspect("web", paths.dir.parent, HOST).status is Status.PAUSED
        (paths.dir / "ballast").unlink()  # for a while
        make_space(paths)
        await until(lambda: is_paused(agent) is False)
        while await written(agent.state.started.machine) < SIZE - (1 << 20):
            await asyncio.sleep(0.05)
        seen.append(indexed_instance("web", paths.dir.parent))

    assert runs(agent, fills_up) == 0
    paused, after = seen
    assert (str(paused.status), after.status) == ("Paused (disk full)", Status.RUNNING)
    with pytest.raises(InstanceError, match=r"paused, since the disk .*/web/disk is on is full.*by itself"):
        ssh_to_running(paused)
    assert notices(capsys.readouterr().out) == [
        paused_message(paths),
        "there is space again: the machine goes on.",
    ]
    assert not paths.disk_full.exists()


def test_a_pause_before_qemus_monitor_was_connected_to_is_noticed(
    paths: InstancePaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    agent, connect = an_agent(paths), process._monitor

    async def connect_late(*arguments: Any) -> Any:
        await until(lambda: shutil.disk_usage(paths.dir).free < 2**16)
        await asyncio.sleep(0.3)  # as the last write may not have failed yet
        return await connect(*arguments)

    monkeypatch.setattr(process, "_monitor", connect_late)

    async def fills_up() -> None:
        await until(lambda: is_paused(agent) is True)
        (paths.dir / "ballast").unlink()
        make_space(paths)
        await until(lambda: is_paused(agent) is False)

    assert runs(agent, fills_up) == 0
    assert notices(capsys.readouterr().out)[-1] == "there is space again: the machine goes on."


def test_a_stop_waits_for_no_guest_that_is_paused(
    paths: InstancePaths, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = an_agent(paths)

    async def fills_up() -> None:
        await until(lambda: is_paused(agent) is True)

    assert runs(agent, fills_up, signal.SIGINT) == 0
    assert "its guest not told" in notices(capsys.readouterr().out)[-1]
    assert not paths.disk_full.exists()


def test_who_waits_for_a_start_hears_of_it_once_without_the_agents_journal(
    paths: InstancePaths,
) -> None:
    agent = [sys.executable, "-c", "import time; time.sleep(1)"]
    paths.ha_stdout.touch()
    paths.disk_full.touch()
    told: list[Event] = []
    with subprocess.Popen(agent) as process, pytest.raises(AgentError, match="ended before"):
        wait_for_agent(paths, process, PATIENCE, told.append)
    assert [each.message for each in told] == [paused_message(paths)]
