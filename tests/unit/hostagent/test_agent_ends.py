# SPDX-License-Identifier: GPL-3.0-or-later
"""However the host agent's life ends, that is told, and nothing is left running. The machine is a real QEMU
without a guest; what answers on its ssh port is the test's."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.waiting import PATIENCE, until

from callao.config import effective
from callao.drivers import Boot, Machine
from callao.drivers.qemu.devices import GuestChannel, Monitor
from callao.drivers.qemu.driver import QemuDriver
from callao.drivers.qemu.process import launch
from callao.errors import StageFailed
from callao.events import Event, EventState, Reporter, Stage
from callao.host import Host, HostUser
from callao.hostagent import journal, status
from callao.hostagent.agent import Agent
from callao.hostagent.assignment import Assignment
from callao.hostagent.boot import bringup
from callao.hostagent.boot.readiness import _log_in
from callao.hostagent.instance_folder import InstanceFolder
from callao.hostagent.running import Running
from callao.instances import InstancePaths, Runtime
from callao.instances.process_identity import alive
from callao.instances.records import read_json
from callao.reach import Reach
from callao.ssh import Client

HOST = Host("linux", "x86_64", 4, 8 * 2**30, HostUser("ann", 1000, "Ann", "/home/ann"), "")
QEMU = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-m", "64", "-nodefaults"]


class Driver(QemuDriver):
    """Its machines have no disk, and never boot."""

    async def start(self, boot: Boot, report: Reporter) -> Machine:
        argv = [*QEMU, "-display", "none", "-S", *Monitor(boot.paths.qmp_sock).argv()]
        return await launch([*argv, *GuestChannel(boot.paths.ga_sock).argv()], boot.paths)


@pytest.fixture
def paths() -> Iterator[InstancePaths]:
    with tempfile.TemporaryDirectory(prefix="a-", dir="/tmp") as home:
        (Path(home) / "web").mkdir()
        yield InstancePaths(Path(home) / "web")


def an_agent(paths: InstancePaths, timeout: float = 60.0, lifeline: int | None = None) -> Agent:
    document = {"images": [{"location": "/x"}], "hostResolver": {"enabled": False}, "mounts": []}
    config = effective(document, HOST, name="web", instance_dir=paths.dir)
    assignment = Assignment(paths, InstanceFolder(paths.dir), config, Driver(), timeout, 0, lambda: config)
    return Agent(assignment, lifeline)


def running(agent: Agent) -> Running:
    assert isinstance(agent.state, Running)
    return agent.state


def events(text: str) -> list[Event]:
    lines = [journal.read(line.encode()) for line in text.splitlines()]
    return [line.callao for line in lines if line is not None and line.callao is not None]


def failures(text: str) -> list[str]:
    return [event.message for event in events(text) if event.state is EventState.FAILED]


def runs(agent: Agent, then: Callable[[], Awaitable[object]]) -> int:
    """The exit status of an agent that is told to end once ``then`` has returned."""

    async def play() -> int:
        life = asyncio.ensure_future(agent.run())
        await then()
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            return await life

    return asyncio.run(play())


def assert_nothing_left(agent: Agent) -> None:
    assert running(agent).machine is not None
    assert not alive(agent.status.runtime.driver)
    assert [path for path in agent.status.paths.runtime_files if path.exists() and not path.is_dir()] == []


def test_an_unexpected_exception_while_becoming_ready_is_told_and_the_machine_stays(
    paths: InstancePaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fails(*_: object) -> None:
        raise ValueError("chunk exceed the limit")

    monkeypatch.setattr(bringup, "wait_until_booted", fails)
    agent, lived = an_agent(paths), []

    async def failed() -> None:
        await until(lambda: agent.status.runtime.failure is not None)
        lived.append(alive(agent.status.runtime.driver))

    assert runs(agent, failed) == 0
    assert lived == [True]
    found = read_json(paths.runtime, Runtime)
    assert found is not None
    assert found.failure is not None
    assert "ValueError: chunk exceed the limit" in found.failure.message
    said = capsys.readouterr()
    assert failures(said.out) == [found.failure.message]
    assert "Traceback" in said.err
    assert_nothing_left(agent)


def test_what_fails_between_the_machines_start_and_its_service_ends_both(
    paths: InstancePaths, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.ha_sock.mkdir()
    agent = an_agent(paths)
    assert asyncio.run(agent.run()) == 1
    assert "the host refused" in failures(capsys.readouterr().out)[0]
    assert_nothing_left(agent)


def test_an_agent_that_cannot_tell_its_events_ends_with_its_machine(
    paths: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = an_agent(paths)
    full = open("/dev/full", "wb", buffering=0)  # noqa: SIM115, PTH123 (closed below)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(full, write_through=True))
    with full:
        assert asyncio.run(agent.run()) == 1
        monkeypatch.undo()
    assert_nothing_left(agent)


def test_a_step_of_the_clean_up_that_fails_does_not_keep_the_next_from_being_done(
    paths: InstancePaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = an_agent(paths)

    async def begun() -> None:
        await until(agent.status.paths.ha_sock.exists)

        async def fails() -> None:
            raise RuntimeError("no way")

        for each in (running(agent).ports, running(agent).shares):
            monkeypatch.setattr(each, "close", fails)

    assert runs(agent, begun) == 0
    notices = [each.message for each in events(capsys.readouterr().out) if each.state is EventState.NOTICE]
    assert [each.partition(":")[0] for each in notices] == [
        "the end of the port forwards",
        "the end of the mounts",
    ]
    assert_nothing_left(agent)


async def begun(agent: Agent) -> None:
    await until(agent.status.paths.ha_sock.exists)


def test_it_ends_with_its_machine_when_its_folder_is_removed_and_leaves_the_next_one_alone(
    paths: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callao.hostagent.instance_folder._POLL_INTERVAL", 0.01)
    agent = an_agent(paths)

    async def play() -> int:
        life = asyncio.ensure_future(agent.run())
        await begun(agent)
        shutil.rmtree(paths.dir)
        paths.dir.mkdir()
        paths.ha_sock.touch()
        async with asyncio.timeout(PATIENCE):
            return await life

    assert asyncio.run(play()) == 0
    assert not alive(agent.status.runtime.driver)
    assert paths.ha_sock.exists()


def test_a_folder_that_is_moved_is_not_removed(paths: InstancePaths) -> None:
    folder = InstanceFolder(paths.dir)

    async def play() -> None:
        paths.dir.rename(paths.dir.with_name("elsewhere"))
        assert not folder.is_in_place()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(folder.wait_removed(0.01), 0.1)

    asyncio.run(play())


def test_one_with_a_lifeline_ends_when_that_is_cut(paths: InstancePaths) -> None:
    theirs, ours = os.pipe()
    agent = an_agent(paths, lifeline=theirs)

    async def play() -> int:
        life = asyncio.ensure_future(agent.run())
        await begun(agent)
        os.close(ours)
        async with asyncio.timeout(PATIENCE):
            return await life

    assert asyncio.run(play()) == 0
    assert_nothing_left(agent)
    os.close(theirs)


@pytest.mark.parametrize("greeting", [b"x" * (1 << 17), b"\0" * 5000 + b"\n", b"SSH-2.0-\xff\r\n"])
def test_a_first_line_that_is_no_sshds_is_waited_out(paths: InstancePaths, greeting: bytes) -> None:
    """A guest may have anything listen where sshd is expected."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(greeting)
            await writer.drain()
            writer.close()

    async def play() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reach = Reach(server.sockets[0].getsockname()[1])
        client: Any = Client(paths.ssh_config, "lima-web", paths.ssh_sock)
        try:
            await _log_in(paths, QemuDriver(), client, reach, asyncio.get_running_loop().time() + 1.0)
        finally:
            server.close()

    with pytest.raises(StageFailed) as caught:
        asyncio.run(play())
    assert caught.value.stage == Stage.SSHD


def test_changes_of_forwards_are_gathered_before_they_are_written(
    paths: InstancePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, written = an_agent(paths), []

    async def changes() -> None:
        await until(agent.status.paths.ha_sock.exists)
        await until(lambda: agent.status.pending_write is None)
        monkeypatch.setattr(status, "write_volatile", lambda _, text, **__: written.append(text))
        for _ in range(1000):
            running(agent).update_forwards()
        await until(lambda: agent.status.pending_write is None)

    assert runs(agent, changes) == 0
    assert len(written) == 1
