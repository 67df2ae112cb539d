# SPDX-License-Identifier: GPL-3.0-or-later
"""Links, leftovers, foreign folders, and what one may not read: in nobody's way, and in nobody's danger."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from callao.cli.parsing import external
from callao.cli_plugins import find_program
from callao.errors import CallaoError, DriverError, InstanceError
from callao.events import Event, silent
from callao.host import Host, expand_user, lima_home
from callao.instances import InstancePaths, inspect, instance_names
from callao.instances.index import indexed_instances
from callao.lifecycle import Request, ensure
from callao.lifecycle.cleanup import remove_stale_files
from callao.lifecycle.clone import clone
from callao.lifecycle.orphans import orphans
from callao.lifecycle.prune import prune_cache
from callao.lifecycle.rename import rename
from callao.ssh import dot_ssh_public_keys

HOST = Host.detect()
NOBODY = 65534


@pytest.fixture
def home() -> Iterator[Path]:
    """With the instance "web", which anybody may enter."""
    with tempfile.TemporaryDirectory(prefix="w-", dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o755)
        made(home, "web")
        yield home


def made(home: Path, name: str) -> InstancePaths:
    paths = InstancePaths(home / name)
    paths.dir.mkdir()
    paths.lima_yaml.write_text("images: [{location: /nowhere.qcow2}]\nvmType: qemu\narch: x86_64\n")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(paths.disk), "1M"], check=True)
    return paths


@contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def delete(home: Path, name: str) -> None:
    ensure(Request(name=name, state="absent"), home=home, host=HOST, check=False, report=silent)


def linked(home: Path) -> tuple[InstancePaths, Path]:
    """ "web" moved to a larger disk, with a link in its place."""
    paths, target = InstancePaths(home / "web"), home / "_large" / "web"
    target.parent.mkdir()
    paths.dir.rename(target)
    paths.dir.symlink_to(target)
    return paths, target


def test_a_killed_runs_link_to_a_share_is_cleared_and_the_share_stays(home: Path) -> None:
    paths, shared = InstancePaths(home / "web"), home / "_shared"
    shared.mkdir()
    (shared / "precious").touch()
    (paths.dir / ".9p-slot-0.new").symlink_to(shared)
    (paths.dir / ".dangling.new").symlink_to(home / "nowhere")
    (paths.dir / ".half").mkdir()
    (paths.dir / ".half" / "file").touch()
    remove_stale_files(paths)
    assert list(paths.dir.glob(".*")) == []
    assert (shared / "precious").exists()


def test_what_git_and_editors_keep_in_an_instances_folder_stays(home: Path) -> None:
    paths = InstancePaths(home / "web")
    (paths.dir / ".git").mkdir()
    for name in (".git/HEAD", ".gitignore", ".lima.yaml.swp", ".DS_Store"):
        (paths.dir / name).touch()
    (paths.dir / ".#lima.yaml").symlink_to("ann@host.1234")
    remove_stale_files(paths)
    kept = sorted(each.name for each in paths.dir.glob(".*"))
    assert kept == [".#lima.yaml", ".DS_Store", ".git", ".gitignore", ".lima.yaml.swp"]


def test_a_folder_that_is_a_link_goes_with_what_it_leads_to(home: Path) -> None:
    paths, target = linked(home)
    delete(home, "web")
    assert not target.exists()
    assert not paths.dir.is_symlink()
    assert target.parent.exists()


def test_a_folder_that_is_a_link_is_renamed_and_copied_as_any(home: Path) -> None:
    _, target = linked(home)
    clone(inspect("web", home, HOST), "copy", inspect("web", home, HOST).document, home=home, host=HOST,
          report=silent)  # fmt: skip
    assert not (home / "copy").is_symlink()
    rename(inspect("web", home, HOST), "other", home=home)
    assert (home / "other").resolve() == target
    assert instance_names(home) == ["copy", "other"]
    assert inspect("other", home, HOST).errors == ()


def test_links_that_go_round_are_removed_as_any(home: Path) -> None:
    for name, target in (("self", "self"), ("here", "there"), ("there", "here")):
        (home / name).symlink_to(target)
    (home / ".web.deleting").symlink_to("self")
    (home / ".web.creating").symlink_to(".web.creating")
    delete(home, "web")
    assert instance_names(home) == []
    assert [each.name for each in home.glob(".*")] == []
    for name in ("self", "here"):
        delete(home, name)


def test_a_delete_that_failed_is_finished_by_the_next(home: Path) -> None:
    stubborn = home / "web" / "kept"
    stubborn.mkdir()
    subprocess.run(["mount", "--bind", str(stubborn), str(stubborn)], check=True)
    left = home / ".web.deleting"
    try:
        with pytest.raises(InstanceError, match="cannot be removed"):
            delete(home, "web")
        with pytest.raises(InstanceError, match="what is left of instance 'web' cannot be removed"):
            delete(home, "web")
    finally:
        subprocess.run(["umount", str(left / "kept")], check=True)
    assert instance_names(home) == []
    delete(home, "web")
    assert not left.exists()


def test_foreign_folders_are_no_instances(home: Path) -> None:
    (home / "lost+found").mkdir(mode=0o700)
    (home / "web.yaml").touch()
    assert instance_names(home) == ["web"]
    prune_cache(home, HOST, keep_referenced=True)
    assert orphans(home, HOST) == []


def test_an_instance_of_another_user_is_listed_and_stops_nothing(home: Path) -> None:
    made(home, "mine").dir.chmod(0o755)
    (home / "web").chmod(0o700)
    cache = home / "_cache" / "qcow2"
    cache.mkdir(parents=True)
    (cache / "a.qcow2").touch()
    events: list[Event] = []
    with as_nobody():
        found = {each.name: each for each in indexed_instances(home, HOST)}
        prune_cache(home, HOST, keep_referenced=False, report=events.append)
    assert set(found) == {"mine", "web"}
    assert found["mine"].errors == ()
    assert "Permission denied" in str(found["web"].errors)
    assert "web: cannot be read" in events[-1].message
    assert (cache / "a.qcow2").exists()


def test_a_disk_whose_base_is_gone_keeps_everything_and_is_named(home: Path) -> None:
    base, disk = home / "_gone.qcow2", InstancePaths(home / "web").disk
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "1M"], check=True)
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "qcow2", str(disk)]
    subprocess.run(argv, check=True)
    base.unlink()
    cache = home / "_cache" / "qcow2"
    cache.mkdir(parents=True)
    (cache / "a.qcow2").touch()
    with pytest.raises(DriverError, match=r"instance 'web': disk .*_gone\.qcow2 cannot be read") as caught:
        prune_cache(home, HOST, keep_referenced=False)
    assert caught.value.hint == "Bring the file back, or delete that instance: callao delete web"
    assert (cache / "a.qcow2").exists()


def test_a_home_that_may_not_be_read_is_told(home: Path) -> None:
    home.chmod(0o700)
    with as_nobody(), pytest.raises(InstanceError, match=r"LIMA_HOME: .* cannot be read: Permission denied"):
        instance_names(home)


def test_a_folder_on_path_that_may_not_be_read_has_no_commands(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = home / "_closed"
    (closed / "bin").mkdir(parents=True)
    closed.chmod(0o700)
    open_one = home / "_open"
    open_one.mkdir()
    program = open_one / "callao-hello"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755 | stat.S_IXUSR)
    unreadable = home / "_unreadable"
    unreadable.mkdir(mode=0o711)
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, (closed, closed / "bin", unreadable, open_one))))
    with as_nobody():
        assert "hello" in [each.name for each in external.discover()]
        assert find_program("hello") == program


def test_the_home_of_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CallaoError, match=r"'~nosuch/x': ~nosuch is no user"):
        expand_user("~nosuch/x")
    monkeypatch.setenv("LIMA_HOME", "~nosuch/lima")
    with pytest.raises(CallaoError, match="~nosuch is no user"):
        lima_home()


def test_a_user_without_an_entry_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 123456)
    for variable in ("HOME", "USER", "LOGNAME", "LIMA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    assert Host.detect().user.name == "user123456"
    with pytest.raises(CallaoError, match="uid 123456 has no entry in the passwd database"):
        lima_home()
    monkeypatch.setenv("HOME", "/srv/it")
    assert Host.detect().user.home == "/srv/it"
    assert lima_home() == Path("/srv/it/.lima")


def test_keys_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (folder / "gone.pub").symlink_to(folder / "nowhere")
    (folder / "dir.pub").mkdir()
    (folder / "good.pub").write_text(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE8fIl2pjy0vxg1JR7mTd2pPZq3r3LZqk0vOq0HcCq9a me\n"
    )
    assert dot_ssh_public_keys(tmp_path) == (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE8fIl2pjy0vxg1JR7mTd2pPZq3r3LZqk0vOq0HcCq9a me",
    )
