# SPDX-License-Identifier: GPL-3.0-or-later
"""Host's and guest's side together, on one folder that is both ends of its share."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from inotify.spy import ATTRIB, WRITTEN, Spy, guest, relayed
from support.waiting import until

from callao.inotify import Shared, Watcher, relay


def test_a_nested_file_written_to_is_seen_once_and_then_all_is_silent(tmp_path: Path) -> None:
    file, sentinel = tmp_path / "a" / "b" / "file", tmp_path / "a" / "b" / "sentinel"
    file.parent.mkdir(parents=True)
    file.touch()
    sentinel.touch()

    async def scenario() -> None:
        async with relayed(tmp_path):
            with Spy(file.parent) as spy:
                file.write_text("x")
                spy.forget()
                await spy.until(lambda: spy.of(file) == WRITTEN)
                # What comes back of a touch is in the queue before what is done to another file
                # later; so by the second answer, a loop would have shown.
                for content in "12":
                    spy.seen.pop(("CLOSE_WRITE", str(sentinel)), None)
                    sentinel.write_text(content)
                    spy.look()
                    spy.seen.pop(("CLOSE_WRITE", str(sentinel)), None)
                    await spy.until(lambda: "CLOSE_WRITE" in spy.of(sentinel))
                assert {event: spy.seen[event, str(file)] for event in WRITTEN} == dict.fromkeys(WRITTEN, 1)
                assert spy.seen["ATTRIB", str(sentinel)] == 2

    asyncio.run(scenario())


def test_creation_renaming_and_deletion_are_seen_as_documented(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    first, second = below / "first", below / "second"

    async def scenario() -> None:
        async with relayed(tmp_path):
            with Spy(tmp_path, below) as spy:
                first.touch()
                spy.forget()
                await spy.until(lambda: spy.of(first) == WRITTEN and spy.of(below) == {"ATTRIB"})
                first.rename(second)
                spy.forget()
                await spy.until(lambda: spy.of(second) == WRITTEN and spy.of(below) == {"ATTRIB"})
                assert spy.of(first) == set()
                second.unlink()
                spy.forget()
                await spy.until(lambda: spy.of(below) == {"ATTRIB"})
                assert spy.of(second) == set()
                (below / "new").mkdir()
                spy.forget()
                await spy.until(lambda: "ATTRIB" in spy.of(below / "new") and spy.of(below) == {"ATTRIB"})
                (below / "link").symlink_to(tmp_path)
                spy.forget()
                await spy.until(lambda: spy.of(below / "link") == {"ATTRIB"} and spy.of(below) == {"ATTRIB"})

    asyncio.run(scenario())


def test_a_burst_of_ten_thousand_files_loses_nothing_and_ends(tmp_path: Path) -> None:
    files = [tmp_path / str(number % 10) / str(number) for number in range(10_000)]
    for number in range(10):
        (tmp_path / str(number)).mkdir()
    for file in files:
        file.touch()
    wanted = {("ATTRIB", str(file)) for file in files}

    async def scenario() -> None:
        async with relayed(tmp_path):
            with Spy(*(tmp_path / str(number) for number in range(10)), mask=ATTRIB) as spy:
                for file in files:
                    file.write_bytes(b"x")
                # The kernel's queue overflows meanwhile: folders of late may be found on the walk.
                await spy.until(lambda: len(spy.seen) >= len(files) and wanted <= set(spy.seen))
                spy.seen.clear()
                files[0].write_bytes(b"yy")
                await spy.until(lambda: bool(spy.of(files[0])))
                files[1].write_bytes(b"yy")
                await spy.until(lambda: bool(spy.of(files[1])))
                assert spy.seen.total() == 2

    asyncio.run(scenario())


def test_names_of_all_sorts_arrive(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("ñandú 日本", " two  spaces ", "new\nline", os.fsdecode(b"\xff"))]

    async def scenario() -> None:
        async with relayed(tmp_path):
            with Spy(tmp_path) as spy:
                for file in files:
                    file.touch()
                spy.forget()
                await spy.until(lambda: all(spy.of(file) == WRITTEN for file in files))

    asyncio.run(scenario())


def test_nothing_is_lost_with_a_session(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    notices: list[str] = []

    async def scenario() -> None:
        processes: list[asyncio.subprocess.Process] = []

        async def spawn() -> asyncio.subprocess.Process:
            """At first no session at all, then one that takes a batch and dies."""
            processes.append(
                await guest()
                if len(processes) > 1
                else await asyncio.create_subprocess_exec(
                    "sh", "-c", "head -n1 >&2", stdin=-1, stdout=-1, stderr=asyncio.subprocess.DEVNULL
                )
            )
            if len(processes) == 1:
                raise ConnectionError("no route to the guest")
            return processes[-1]

        async with Watcher([Shared(str(tmp_path), str(tmp_path))]) as watcher:
            task = asyncio.create_task(relay(watcher, spawn, pause=0.01, notice=notices.append))
            with Spy(tmp_path, below) as spy:
                (below / "a").touch()
                spy.forget()
                await spy.until(lambda: spy.of(below / "a") == WRITTEN and spy.of(below) == {"ATTRIB"})
                assert len(processes) == 3
                processes[2].kill()  # while nothing is under way
                await until(lambda: processes[2].returncode is not None)
                (below / "b").touch()
                spy.forget()
                await spy.until(lambda: spy.of(below / "b") == WRITTEN)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
        processes[0].terminate()
        for process in processes:
            await process.wait()

    asyncio.run(scenario())
    assert "no route to the guest" in notices[0]
    assert "status 0" in notices[1]


def test_changes_wait_for_a_guest_that_is_slow_and_become_one(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    async def scenario() -> None:
        gate = asyncio.Event()

        async def late() -> asyncio.subprocess.Process:
            await gate.wait()
            return await guest()

        async with relayed(tmp_path, spawn=late) as watcher:
            with Spy(tmp_path) as spy:
                for content in "abc":
                    file.write_text(content * 3)
                    # Three batches of the watcher's: it takes up one before the next one is made.
                    await watcher.add(Shared(str(tmp_path), str(tmp_path)))
                    await asyncio.sleep(0.12)
                spy.forget()
                gate.set()
                await spy.until(lambda: spy.of(file) == WRITTEN)
                (tmp_path / "later").touch()
                await spy.until(lambda: "ATTRIB" in spy.of(tmp_path / "later"))
                assert spy.seen["ATTRIB", str(file)] == 1

    asyncio.run(scenario())


def test_shares_come_and_go_while_it_runs(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()

    async def scenario() -> None:
        async with relayed(one) as watcher:
            with Spy(one, two) as spy:
                await watcher.add(Shared(str(two), str(two)))
                (two / "a").touch()
                spy.forget()
                await spy.until(lambda: spy.of(two / "a") == WRITTEN)
                await watcher.remove(Shared(str(two), str(two)))
                (two / "b").touch()
                (one / "c").touch()
                spy.forget()
                await spy.until(lambda: spy.of(one / "c") == WRITTEN)
                assert spy.of(two / "b") == set()
                shutil.rmtree(one)
                await watcher.add(Shared(str(two), str(two)))
                (two / "d").touch()
                spy.forget()
                await spy.until(lambda: spy.of(two / "d") == WRITTEN)

    asyncio.run(scenario())
