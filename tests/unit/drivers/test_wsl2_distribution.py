# SPDX-License-Identifier: GPL-3.0-or-later
"""A distribution is made, exported and removed whole or not at all, whatever wsl.exe does meanwhile."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest
from support.wsl import forked, guest, store, texts
from support.wsl.rounds import Windows, assert_whole, faults_are_survived, running_windows
from support.wsl.store import Entry

from callao.drivers.wsl2.driver import Wsl2Driver
from callao.drivers.wsl2.interop import Interop
from callao.drivers.wsl2.layers import ExportedLayers
from callao.drivers.wsl2.state import claim_of, reference_of
from callao.drivers.wsl2.wsl_exe import Wsl
from callao.errors import DriverError
from callao.instances import InstancePaths


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[Windows]:
    with running_windows(monkeypatch) as windows:
        monkeypatch.setenv("CALLAO_WSL_HOME", "C:\\callao")
        forked.use(monkeypatch)
        yield windows


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


GIB = 2**30


def size_of(name: str) -> int:
    entry = store.find(name)
    assert entry is not None
    assert not entry.runs()
    return entry.size


def test_a_disk_grows_with_the_wish_and_is_never_made_smaller(windows: Windows) -> None:
    paths = windows.instance()
    distribution = windows.distribution(paths)
    assert distribution.prepare(1500 * GIB + 1) == ""
    assert size_of("lima-web") == 1500 * GIB + 2**20
    assert distribution.prepare(1500 * GIB + 1) == ""
    assert re.search(r"disk: 200GiB: has no effect.*not made smaller", distribution.prepare(200 * GIB))
    assert distribution.prepare(100 * GIB) == ""  # which nobody has asked for
    assert distribution.prepare(2048 * GIB) == ""
    assert size_of("lima-web") == 2048 * GIB
    assert_whole(paths)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("2.4", r"disk: 2TiB: WSL 2\.4\.13\.0 cannot enlarge .* has 1TiB .*2\.5 or newer.*wsl.exe --update"),
        ("sparse", r"cannot be a sparse file.*--set-sparse false"),
    ],
)
def test_a_disk_that_cannot_grow_is_told_and_stays(
    windows: Windows, mode: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(texts.MODE, mode)
    paths = windows.instance()
    with pytest.raises(DriverError, match=words):
        windows.distribution(paths).prepare(2048 * GIB)
    windows.distribution(paths).prepare()
    assert size_of("lima-web") == 1024 * GIB
    assert_whole(paths)


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
    faults_are_survived(windows, seed=seed, faults=faults)
