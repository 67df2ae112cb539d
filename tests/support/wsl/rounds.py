# SPDX-License-Identifier: GPL-3.0-or-later
"""Rounds of one fault each: an operation on a distribution meets it, and then all has to be well."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

import pytest

from callao.drivers.wsl2.carrier import HERE, Carrier
from callao.drivers.wsl2.distribution import Distribution
from callao.drivers.wsl2.interop import Interop
from callao.drivers.wsl2.runner import ANSWER_SECONDS, Answer
from callao.drivers.wsl2.state import MARKER, claim_of, reference_of
from callao.drivers.wsl2.wsl_exe import Wsl
from callao.errors import DriverError
from callao.instances import InstancePaths
from support.wsl import guest, store
from support.wsl.faults import Fault, end_calls, plan
from support.wsl.rootfs import small
from support.wsl.store import Entry


@dataclass(frozen=True)
class Impatient(Interop):
    """Waits shortly, since some calls hang."""

    longest: float = 0.0

    def run(
        self,
        argv: Sequence[str],
        stdin: bytes | IO[bytes] = b"",
        *,
        stdout: BinaryIO | None = None,
        seconds: float = ANSWER_SECONDS,
        passes: Sequence[str] = (),
    ) -> Answer:
        return super().run(argv, stdin, stdout=stdout, seconds=min(seconds, self.longest), passes=passes)


@dataclass(frozen=True)
class Windows:
    """A computer with WSL, in a folder, and one rootfs."""

    state: Path
    rootfs: Path
    homes: Path

    def instance(self, name: str = "web", home: str = "a") -> InstancePaths:
        """A new one, whose disk is the rootfs."""
        paths = InstancePaths(self.homes / home / name)
        paths.dir.mkdir(parents=True)
        self.reset(paths)
        return paths

    def reset(self, paths: InstancePaths) -> None:
        shutil.copyfile(self.rootfs, paths.disk)

    def distribution(self, paths: InstancePaths, runner: Interop | None = None) -> Distribution:
        runner = runner or Interop()
        return Distribution(Wsl(runner), paths, runner.carrier)


def text_in(entry: Entry, path: str) -> str:
    file = entry.root / path.lstrip("/")
    return file.read_text().strip() if file.exists() else ""


def assert_whole(paths: InstancePaths) -> None:
    reference = reference_of(paths.disk)
    assert reference is not None
    entry = store.find(reference.distribution)
    assert entry is not None
    assert entry.state == "Stopped"
    assert text_in(entry, MARKER) == reference.identifier
    assert claim_of(paths) == reference


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder in memory, where there is a file system in it: otherwise each step waits for the disk."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="callao-wsl-", dir=memory) as name:
        yield Path(name)


@contextmanager
def running_windows(patch: pytest.MonkeyPatch) -> Iterator[Windows]:
    """A computer for the stand-in; at the end nothing runs on it."""
    with in_memory() as folder:
        state = folder / "windows"
        state.mkdir()
        patch.setenv(store.STATE, str(state))
        yield Windows(state, small(folder / "rootfs.tar"), folder / "homes")
        for entry in store.entries():
            guest.end(entry)


def faults_are_survived(
    windows: Windows, *, seed: int, faults: int, carrier: Carrier = HERE, hang_seconds: float = 0.3
) -> None:
    """Have operations by a carrier meet faults, one each; the rest is done by interop, which is quick."""
    chance = random.Random(seed)
    mine = Entry("Ubuntu", "C:\\mine")
    mine.root.mkdir(parents=True)
    store.put(mine)
    failed = 0
    for number in range(faults):
        failed += _one_fault(windows, number, chance, Impatient(carrier, hang_seconds))
        assert store.find("Ubuntu") == mine
    assert failed >= faults // 6


def _one_fault(windows: Windows, number: int, chance: random.Random, hasty_runner: Interop) -> bool:
    """Make a fault while something is done, and see that all is well after; returns whether that failed."""
    paths = windows.instance(f"i{number}")
    distribution = windows.distribution(paths)
    operation = chance.choice(("first start", "start", "export", "release"))
    if operation != "first start":
        distribution.prepare()
    hasty = windows.distribution(paths, hasty_runner)
    fault = chance.choice(list(Fault))
    plan(windows.state, {chance.randrange(5): fault})
    if operation == "export":
        said = _error(lambda: hasty.export(paths.dir / "out.tar"))
    else:
        said = _error(hasty.release if operation == "release" else hasty.prepare)
    failed = bool(said)
    assert not said or said.isprintable()
    end_calls(windows.state)
    plan(windows.state, {})
    left = {each.name for each in paths.dir.iterdir()} - {"disk", "wsl2.json", "out.tar"}
    assert not left, f"{number}: {operation} with {fault} left {left}"
    if operation == "release" and not failed:
        assert store.find(distribution.name) is None
        paths.wsl2_json.unlink(missing_ok=True)
        windows.reset(paths)
    twin = store.find(distribution.name)
    if twin is not None and twin.folder == "C:\\twin":
        assert claim_of(paths) is None, f"{number}: the distribution of another is claimed"
        store.remove(twin)
    if lost := _error(distribution.prepare):
        assert fault in (Fault.VANISH, Fault.DIES, Fault.LATE_HANG), (
            f"{number}: {operation}, {fault}: {lost}"
        )
        assert "its disk is lost" in lost
        windows.reset(paths)
        distribution.prepare()
    assert_whole(paths)
    entry = store.find(distribution.name)
    assert entry is not None
    guest.end(entry)
    store.remove(entry)
    shutil.rmtree(paths.dir)
    return failed


def _error(act: Callable[[], object]) -> str:
    """What it says when it fails as it should; any other exception ends the test."""
    try:
        act()
    except DriverError as error:
        return str(error)
    return ""
