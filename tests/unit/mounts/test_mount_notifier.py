# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher of the host and the guest's program: who comes, who goes, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from callao.config import MountType
from callao.config.schema import Mount
from callao.drivers.qemu.driver import QemuDriver
from callao.errors import AgentError
from callao.hostagent.mounts.notifier import Notifier
from callao.hostagent.mounts.shares import ActiveMount, Shares
from callao.ssh.client import CommandResult


class Guest:
    """Stands for ssh: the guest's program runs on this machine."""

    def argv(self, *_options: str, command: Sequence[str] = ()) -> list[str]:
        return ["sh", "-c", command[0].replace("sudo -n ", "", 1)]


def played(tmp_path: Path, play: Callable[[Notifier, Path], Awaitable[None]]) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()

    async def run() -> None:
        guest: Any = Guest()
        notifier = Notifier(guest)
        await notifier.start([(str(shared), "/mnt/a")])
        try:
            async with asyncio.timeout(60):
                while notifier.process is None:
                    await asyncio.sleep(0.01)
                await play(notifier, shared)
        finally:
            await notifier.close()

    asyncio.run(run())


def test_the_guests_program_ends_before_what_it_holds_is_unmounted(tmp_path: Path) -> None:
    async def play(notifier: Notifier, shared: Path) -> None:
        first = notifier.process
        assert first is not None
        await notifier.remove(str(shared), "/mnt/a", is_held_by_program=True)
        assert first.returncode == 0  # of its own will: nobody killed ssh while it was still there
        while notifier.process is first:
            await asyncio.sleep(0.01)
        assert notifier.process is not None
        assert notifier.process.returncode is None

    played(tmp_path, play)


def test_the_guests_program_stays_where_it_holds_nothing(tmp_path: Path) -> None:
    async def play(notifier: Notifier, shared: Path) -> None:
        first = notifier.process
        await notifier.add(str(shared), "/mnt/b")
        await notifier.remove(str(shared), "/mnt/b", is_held_by_program=False)
        assert notifier.process is first
        assert first is not None
        assert first.returncode is None
        assert notifier.watcher is not None
        assert notifier.watcher.mount_points == {"/mnt/a"}

    played(tmp_path, play)


def test_nothing_runs_after_the_end(tmp_path: Path) -> None:
    seen: list[Notifier] = []

    async def play(notifier: Notifier, _shared: Path) -> None:
        seen.append(notifier)

    played(tmp_path, play)
    assert seen[0].process is not None
    assert seen[0].process.returncode is not None


def test_one_that_never_ran_can_be_closed() -> None:
    guest: Any = None
    asyncio.run(Notifier(guest).close())


class Spy:
    """A notifier and a guest at once: keeps the order of what is asked of them."""

    def __init__(self, *, busy: bool = False) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.busy = busy

    async def add(self, _location: str, point: str) -> None:
        self.asked.append(("watch", point))

    async def remove(self, _location: str, point: str, *, is_held_by_program: bool) -> None:
        self.asked.append(("forget", point, is_held_by_program))

    async def run(self, script: str, timeout: float, interpreter: str) -> CommandResult:
        self.asked.append(("umount" if "umount" in script else "mount",))
        return CommandResult(1, "", "busy") if self.busy else CommandResult(0, "", "")

    async def plug_share(self, _share: object) -> None:
        """Also the machine."""

    async def unplug_share(self, _tag: str) -> None:
        """Also the machine."""


def shares(spy: Any, kind: MountType, *, writable: bool = True) -> Shares:
    there = {"/srv": ActiveMount("/data", "/srv", kind, writable, hot=True)}
    wanted = {"/srv": Mount(location="/data", mount_point="/srv", writable=writable)}
    return Shares(spy, QemuDriver.features, spy, mounted=there, requested=wanted, notifier=spy)


@pytest.mark.parametrize(("kind", "held"), [(MountType.P9, True), (MountType.VIRTIOFS, False)])
def test_a_share_is_forgotten_before_it_is_unmounted(kind: MountType, held: bool) -> None:
    spy = Spy()
    asyncio.run(shares(spy, kind).remove("/srv"))
    assert spy.asked == [("forget", "/srv", held), ("umount",)]


def test_one_that_stays_mounted_stays_watched() -> None:
    spy = Spy(busy=True)
    with pytest.raises(AgentError, match="busy"):
        asyncio.run(shares(spy, MountType.P9).remove("/srv"))
    assert spy.asked == [("forget", "/srv", True), ("umount",), ("watch", "/srv")]


@pytest.mark.parametrize("writable", [True, False])
def test_only_what_the_guest_may_write_to_is_watched(tmp_path: Path, writable: bool) -> None:
    spy = Spy()
    made = shares(spy, MountType.P9)
    asyncio.run(made.add(Mount(location=str(tmp_path), mount_point="/b", writable=writable), MountType.P9))
    assert (("watch", "/b") in spy.asked) == writable
    asyncio.run(made.remove("/b"))
    assert (("forget", "/b", True) in spy.asked) == writable
