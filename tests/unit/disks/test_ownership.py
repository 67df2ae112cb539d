# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has a disk: one instance at a time, all of its disks or none, and none that is gone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from callao.disks import DiskPaths
from callao.disks.ownership import must_be_available, owner_of, release, release_all, take
from callao.errors import DiskInUse, DiskNotFound
from callao.instances import InstancePaths, Runtime
from callao.instances.process_identity import identify
from callao.instances.records import write_json


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        paths = DiskPaths.of(name, tmp_path)
        paths.dir.mkdir(parents=True)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(paths.image), "1M"], check=True)
    for name in ("web", "db"):
        (tmp_path / name).mkdir()
    return tmp_path


def owners(home: Path) -> list[str]:
    found = [owner_of(DiskPaths.of(name, home)) for name in ("one", "two")]
    return ["" if each is None else each.name for each in found]


def running(home: Path, name: str) -> None:
    """One that looks as if it ran: this process stands for its own."""
    me = identify(os.getpid())
    write_json(InstancePaths(home / name).runtime, Runtime(agent=me, driver=me, ready=True))


def test_an_instance_takes_its_disks_again_and_frees_its_own_only(home: Path) -> None:
    for _ in range(2):
        take(["one", "two"], home / "web")
        assert owners(home) == ["web", "web"]
    release(["one", "two"], home / "db")
    release_all(home / "db")
    assert owners(home) == ["web", "web"]
    release(["one"], home / "web")
    assert owners(home) == ["", "web"]
    release_all(home / "web")
    assert owners(home) == ["", ""]


def test_all_are_taken_or_none(home: Path) -> None:
    running(home, "web")
    take(["two"], home / "web")
    with pytest.raises(DiskInUse, match=r"'two' cannot be attached to instance 'db': .* by instance 'web'"):
        take(["one", "two"], home / "db")
    assert owners(home) == ["", "web"]
    with pytest.raises(DiskNotFound, match=r"disk 'three' does not exist"):
        take(["one", "three"], home / "db")
    assert owners(home) == ["", "web"]
    take(["two"], home / "web")
    with pytest.raises(DiskNotFound):
        take(["two", "three"], home / "web")  # what it had before, it keeps
    assert owners(home) == ["", "web"]


def test_a_start_is_refused_before_anything_is_changed_for_it(home: Path) -> None:
    running(home, "web")
    take(["two"], home / "web")
    must_be_available(["one", "two"], home / "web")
    with pytest.raises(DiskInUse, match="by instance 'web'"):
        must_be_available(["one", "two"], home / "db")
    with pytest.raises(DiskNotFound, match="callao disk create none --size"):
        must_be_available(["none"], home / "db")


@pytest.mark.parametrize("gone", ["process", "folder"])
def test_an_owner_that_is_gone_counts_no_more(home: Path, gone: str) -> None:
    take(["one"], home / "web")
    if gone == "folder":
        (home / "web").rmdir()
    take(["one"], home / "db")
    assert owners(home) == ["db", ""]


def test_a_disk_that_somebody_writes_is_taken_by_nobody(home: Path) -> None:
    """Whatever the note says: limactl frees a running instance's disk when another one is deleted."""
    paths = DiskPaths.of("one", home)
    argv = ["qemu-storage-daemon", "--blockdev", f"driver=file,node-name=f,filename={paths.image}"]
    argv += ["--nbd-server", f"addr.type=unix,addr.path={home}/nbd"]
    argv += ["--export", "type=nbd,id=e,node-name=f,writable=on"]
    daemon = subprocess.Popen([*argv, "--pidfile", str(home / "pid")])
    try:
        while not (home / "pid").exists():
            assert daemon.poll() is None
        with pytest.raises(DiskInUse, match="does not name writes"):
            take(["one"], home / "db")
        paths.owner.symlink_to(home / "web")
        with pytest.raises(DiskInUse, match="in use by instance 'web'"):
            take(["one"], home / "db")
    finally:
        daemon.terminate()
        daemon.wait()


def test_one_folder_may_have_several_names(home: Path, tmp_path: Path) -> None:
    (home / "alias").symlink_to(home)
    DiskPaths.of("one", home).owner.symlink_to(home / "alias" / "web")
    running(home, "web")
    take(["one"], home / "web")
    release_all(home / "web")
    assert owners(home) == ["", ""]
