# SPDX-License-Identifier: GPL-3.0-or-later
"""A distribution is made, exported and removed whole or not at all, whatever wsl.exe does meanwhile."""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

import pytest
from support.wsl import forked, guest, store, texts
from support.wsl.faults import Fault, plan
from support.wsl.rootfs import small
from support.wsl.store import Entry

from callao.drivers.wsl2.distribution import Distribution
from callao.drivers.wsl2.driver import Wsl2Driver
from callao.drivers.wsl2.interop import Interop
from callao.drivers.wsl2.layers import ExportedLayers
from callao.drivers.wsl2.runner import ANSWER_SECONDS, Answer
from callao.drivers.wsl2.state import MARKER, claim_of, reference_of
from callao.drivers.wsl2.wsl_exe import Wsl
from callao.errors import DriverError
from callao.instances import InstancePaths

HANG_SECONDS = 0.3


class Impatient(Interop):
    """Waits shortly, since some calls hang."""

    def run(
        self,
        argv: Sequence[str],
        stdin: bytes | IO[bytes] = b"",
        *,
        stdout: BinaryIO | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> Answer:
        return super().run(argv, stdin, stdout=stdout, seconds=min(seconds, HANG_SECONDS))


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
        return Distribution(Wsl(runner or Interop()), paths)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[Windows]:
    """In memory, where there is a file system in it: otherwise each step waits for the disk."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="callao-wsl-", dir=memory) as name:
        folder = Path(name)
        state = folder / "windows"
        state.mkdir()
        monkeypatch.setenv(store.STATE, str(state))
        monkeypatch.setenv("CALLAO_WSL_HOME", "C:\\callao")
        forked.use(monkeypatch)
        yield Windows(state, small(folder / "rootfs.tar"), folder / "homes")
        for entry in store.entries():
            guest.end(entry)


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


def test_the_first_start_imports_and_the_next_ones_do_not(windows: Windows) -> None:
    paths = windows.instance()
    distribution = windows.distribution(paths)
    distribution.prepare()
    assert_whole(paths)
    entry = store.find("lima-web")
    assert entry is not None
    assert entry.folder == "C:\\callao\\lima-web"
    (entry.root / "kept").touch()
    distribution.prepare()
    assert (entry.root / "kept").exists()
    assert not Wsl(Interop()).running()


def test_a_snapshot_returns_the_content_and_a_reset_that_of_the_image(windows: Windows) -> None:
    paths = windows.instance()
    windows.distribution(paths).prepare()
    layers = ExportedLayers()
    entry = store.find("lima-web")
    assert entry is not None
    (entry.root / "first").touch()
    layer = layers.freeze([paths.disk])[0]
    (entry.root / "second").touch()
    other = windows.instance("copy").disk
    layers.share(paths.disk, layer, other)
    layers.revert({paths.disk: layer})
    for each in (paths, InstancePaths(other.parent)):
        windows.distribution(each).prepare()
        assert_whole(each)
        root = store.Entry(f"lima-{each.name}", "").root
        assert (root / "first").exists()
        assert not (root / "second").exists()
    layers.sweep(paths.disk, [])
    assert not (paths.dir / layer).exists()
    windows.reset(paths)
    windows.distribution(paths).prepare()
    assert not (entry.root / "first").exists()


def test_a_clone_has_the_content_and_another_distribution(windows: Windows) -> None:
    paths, other = windows.instance(), InstancePaths(windows.homes / "a" / "copy")
    windows.distribution(paths).prepare()
    (store.Entry("lima-web", "").root / "kept").touch()
    other.dir.mkdir()
    Wsl2Driver().copy_state(paths, other)
    windows.distribution(other).prepare()
    assert_whole(paths)
    assert_whole(other)
    assert (store.Entry("lima-copy", "").root / "kept").exists()


def test_a_renamed_instance_takes_its_content_along(windows: Windows) -> None:
    paths = windows.instance()
    windows.distribution(paths).prepare()
    (store.Entry("lima-web", "").root / "kept").touch()
    renamed = InstancePaths(paths.dir.rename(paths.dir.with_name("new")))
    windows.distribution(renamed).prepare()
    assert_whole(renamed)
    assert (store.Entry("lima-new", "").root / "kept").exists()
    assert store.find("lima-web") is None


def test_a_distribution_of_another_is_neither_used_nor_removed(windows: Windows) -> None:
    mine = Entry("LIMA-Web", "C:\\mine")
    mine.root.mkdir(parents=True)
    store.put(mine)
    paths = windows.instance()
    with pytest.raises(DriverError, match=r"which this instance has not made.*Choose another name"):
        windows.distribution(paths).prepare()
    windows.distribution(paths).release()
    assert store.find("lima-web") == mine


def test_a_lost_distribution_is_told_and_one_of_the_same_name_is_left_alone(windows: Windows) -> None:
    paths = windows.instance()
    distribution = windows.distribution(paths)
    distribution.prepare()
    Wsl(Interop()).unregister("lima-web")
    with pytest.raises(DriverError, match="is not registered in WSL any more: its disk is lost"):
        distribution.prepare()
    other = windows.instance(home="b")
    windows.distribution(other).prepare()
    with pytest.raises(DriverError, match="is another one than the instance has made"):
        distribution.prepare()
    distribution.release()
    assert_whole(other)


def test_what_is_no_root_file_system_is_refused_and_leaves_nothing(windows: Windows) -> None:
    paths = windows.instance()
    paths.disk.write_bytes(b"\0" * 10240)
    with pytest.raises(DriverError, match=r"WSL_E_NOT_A_LINUX_DISTRO.*with /etc and /bin/sh"):
        windows.distribution(paths).prepare()
    assert store.entries() == []
    assert claim_of(paths) is None


def test_two_instances_of_one_name_get_one_distribution(windows: Windows) -> None:
    both = [windows.instance(home=each) for each in "ab"]
    errors: list[str] = []

    def prepare(paths: InstancePaths) -> None:
        try:
            windows.distribution(paths).prepare()
        except DriverError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=prepare, args=(each,)) for each in both]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(errors) == 1
    assert "already" in errors[0]
    assert_whole(next(each for each in both if reference_of(each.disk) is not None))
    assert [each.name for each in store.entries()] == ["lima-web"]


@pytest.mark.parametrize("mode", ["new", "old"])
def test_both_kinds_of_release_are_understood(
    windows: Windows, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(texts.MODE, mode)
    paths = windows.instance()
    windows.distribution(paths).prepare()
    assert_whole(paths)
    windows.distribution(paths).release()
    assert store.entries() == []


def test_a_session_that_cannot_use_wsl_is_told_why(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(texts.MODE, "session0")
    with pytest.raises(DriverError, match=r"cannot be accessed by the system.*session of a service"):
        Wsl(Interop()).version()


def test_a_distribution_stops_when_nothing_of_windows_uses_it(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(guest.IDLE, "0.2")
    paths = windows.instance()
    windows.distribution(paths).prepare()
    Wsl(Interop()).execute("lima-web", ["/bin/sh", "-c", "true"])
    entry = store.find("lima-web")
    assert entry is not None
    while entry.runs():
        threading.Event().wait(0.02)
    assert not Wsl(Interop()).is_running("lima-web")


@pytest.mark.once
@pytest.mark.parametrize(("seed", "faults"), [(21, 12), pytest.param(22, 188, marks=pytest.mark.long)])
def test_no_fault_of_wsl_leaves_a_distribution_that_is_not_whole(
    windows: Windows, seed: int, faults: int
) -> None:
    chance = random.Random(seed)
    mine = Entry("Ubuntu", "C:\\mine")
    mine.root.mkdir(parents=True)
    store.put(mine)
    failed = 0
    for number in range(faults):
        failed += _one_fault(windows, number, chance)
        assert store.find("Ubuntu") == mine
    assert failed >= faults // 6


def _one_fault(windows: Windows, number: int, chance: random.Random) -> bool:
    """Make a fault while something is done, and see that all is well after; returns whether that failed."""
    paths = windows.instance(f"i{number}")
    distribution = windows.distribution(paths)
    operation = chance.choice(("first start", "start", "export", "release"))
    if operation != "first start":
        distribution.prepare()
    hasty = windows.distribution(paths, Impatient())
    fault = chance.choice(list(Fault))
    plan(windows.state, {chance.randrange(5): fault})
    if operation == "export":
        said = _error(lambda: hasty.export(paths.dir / "out.tar"))
    else:
        said = _error(hasty.release if operation == "release" else hasty.prepare)
    failed = bool(said)
    assert not said or said.isprintable()
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
