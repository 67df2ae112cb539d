# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopped instances protected, deleted, renamed, copied and reset: whole, or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.conftest import Line

from callao.drivers.qemu.disks.qcow2 import backing_file, virtual_size
from callao.instances import InstancePaths, Record
from callao.instances.records import read_json

Box = Callable[..., Path]


@pytest.fixture
def web(callao: Line, box: Box) -> InstancePaths:
    """A stopped instance with a disk that has something in it."""
    done = callao("create", "--name", "web", str(box(message="Hello from {{.Name}}")))
    assert done.status == 0, done.err
    paths = InstancePaths(callao.home / "web")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 4096", paths.disk], check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    return paths


def holds_the_mark(disk: Path) -> bool:
    argv = ["qemu-io", "-r", "-f", "qcow2", "-c", "read -P 7 0 4096", str(disk)]
    return "failed" not in subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_protected_one_is_not_deleted_until_it_is_unprotected(callao: Line, web: InstancePaths) -> None:
    assert callao("protect", "web").err == "Protected web.\n"
    assert callao("protect", "web").status == 0
    for line in (["delete", "web"], ["delete", "-f", "web"]):
        done = callao(*line)
        assert done.status == 1
        assert "instance 'web' is protected against deletion." in done.err
    assert callao.names() == ["web"]
    assert callao("unprotect", "web").err == "web can be deleted again.\n"
    assert callao("unprotect", "web").status == 0
    assert callao("delete", "web").err.endswith("Deleted web.\n")
    assert callao.names() == []


def test_protect_of_one_that_is_not_there_protects_none(callao: Line) -> None:
    callao.write("web")
    for command in ("protect", "unprotect"):
        assert callao(command, "web", "none").status == 1
    assert not (callao.home / "web" / "protected").exists()


def test_delete_passes_over_what_is_not_there(callao: Line) -> None:
    for name in ("a", "b"):
        callao.write(name)
    done = callao("rm", "a", "none", "b")
    assert done.status == 0
    assert "instance 'none' does not exist" in done.err
    assert callao.names() == []


def test_delete_refuses_what_runs_before_it_deletes_the_first(callao: Line) -> None:
    callao.write("a")
    callao.run("b")
    done = callao("delete", "a", "b")
    assert done.status == 1
    assert "instance 'b' is running, and cannot be deleted now. Stop it first: callao stop b" in done.err
    assert callao.names() == ["a", "b"]


def test_delete_with_force_ends_what_runs(callao: Line) -> None:
    callao.run("b")
    assert callao("delete", "--force", "b").status == 0
    assert callao.sleepers[0].wait(timeout=10) != 0
    assert callao.names() == []


def test_a_broken_one_can_be_deleted(callao: Line) -> None:
    callao.write("a", cpus="many")
    assert callao("delete", "a").status == 0
    assert callao.names() == []


def test_stop_of_a_stopped_one_says_so(callao: Line) -> None:
    callao.write("default")
    callao.write("a")
    assert callao("stop").err == "default is stopped already.\n"
    assert callao("stop", "a", "default").err == "a is stopped already.\ndefault is stopped already.\n"


def test_stop_looks_at_all_before_it_stops_the_first(callao: Line) -> None:
    callao.run("a")
    done = callao("stop", "a", "none")
    assert done.status == 1
    assert callao.sleepers[0].poll() is None


def test_a_rename_takes_everything_along(callao: Line, web: InstancePaths) -> None:
    web.ssh_config.write_text("of the old name")
    inode = web.disk.stat().st_ino
    done = callao("rename", "web", "api")
    assert (done.status, done.out, done.err) == (0, "", "web is now api.\n")
    assert callao.names() == ["api"]
    new = InstancePaths(callao.home / "api")
    assert new.disk.stat().st_ino == inode
    assert not new.ssh_config.exists()
    assert holds_the_mark(new.disk)
    assert "lima-api" not in callao("mv", "api", "web").err
    assert callao.names() == ["web"]


def test_a_clone_has_the_disk_and_keys_of_its_own(callao: Line, web: InstancePaths) -> None:
    web.protected.touch()
    done = callao("clone", "web", "web-2", "--cpus", "2")
    assert (done.status, done.out) == (0, "")
    assert "Made web-2 from web." in done.err
    new = InstancePaths(callao.home / "web-2")
    assert holds_the_mark(new.disk)
    assert backing_file(new.disk) == backing_file(web.disk)
    assert "cpus: 2" in new.lima_yaml.read_text()
    assert "cpus: 1" in web.lima_yaml.read_text()
    assert new.host_key.read_bytes() != web.host_key.read_bytes()
    assert new.known_hosts.read_text().startswith("lima-web-2 ")
    assert new.dir.stat().st_mode & 0o777 == 0o700
    assert not new.protected.exists()
    before, after = read_json(web.callao_json, Record), read_json(new.callao_json, Record)
    assert before is not None
    assert after is not None
    assert (after.template, after.image) == (before.template, before.image)


def test_a_clones_disk_is_its_own(callao: Line, web: InstancePaths) -> None:
    assert callao("clone", "web", "copy").status == 0
    disk = str(callao.home / "copy" / "disk")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 9 0 4096", disk], check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    assert holds_the_mark(web.disk)
    assert not holds_the_mark(Path(disk))


@pytest.mark.parametrize(
    "flags", [["--cpus", "-1"], ["--disk", "0.001"], ["--set", '.cpus = "many"'], ["--arch", "aarch64"]]
)
def test_a_clone_with_bad_flags_makes_nothing(callao: Line, web: InstancePaths, flags: list[str]) -> None:
    done = callao("clone", "web", "copy", *flags)
    assert done.status == 1
    assert callao.names() == ["web"]


def test_a_reset_gives_the_disk_it_was_made_with(callao: Line, web: InstancePaths) -> None:
    before = files(web.dir)
    text, key = web.lima_yaml.read_bytes(), web.host_key.read_bytes()
    done = callao("factory-reset", "web")
    assert (done.status, done.out) == (0, "")
    assert "web is as new. Start it: callao start web" in done.err
    assert not holds_the_mark(web.disk)
    assert virtual_size(web.disk) == 10 * 2**20
    assert files(web.dir) == before
    assert (web.lima_yaml.read_bytes(), web.host_key.read_bytes()) == (text, key)
    assert callao("factory-reset", "web").status == 0


def test_a_reset_without_the_image_touches_nothing(callao: Line, web: InstancePaths, tmp_path: Path) -> None:
    (tmp_path / "image.raw").unlink()
    done = callao("factory-reset", "web")
    assert done.status == 1
    assert "is not a file on this machine" in done.err
    assert holds_the_mark(web.disk)


def test_a_reset_clears_what_a_killed_one_left(callao: Line, web: InstancePaths) -> None:
    (web.dir / ".reset").mkdir()
    (web.dir / ".reset" / "disk").write_text("half")
    web.qemu_efi_vars.write_bytes(b"old")
    assert callao("factory-reset", "web").status == 0
    assert not (web.dir / ".reset").exists()
    assert not web.qemu_efi_vars.exists()


@pytest.mark.parametrize("command", ["rename", "clone"])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("taken", "instance 'taken' exists already. Choose another name."),
        ("web", "instance 'web' exists already"),
        ("a b", "name: 'a b': cannot be an instance's name"),
        ("../x", "name: '../x'"),
        ("x" * 70, "makes a host name of more than 63 characters"),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    callao: Line, web: InstancePaths, command: str, name: str, words: str
) -> None:
    callao.write("taken")
    before = files(callao.home)
    done = callao(command, "web", name)
    assert done.status == 1
    assert words in done.err
    assert callao.names() == ["taken", "web"]
    assert [each for each in files(callao.home) if each[0] != "_"] == [
        each for each in before if each[0] != "_"
    ]


@pytest.mark.parametrize("line", [["rename", "web", "x"], ["clone", "web", "x"]])
def test_a_running_one_is_refused(callao: Line, line: list[str]) -> None:
    callao.run("web")
    done = callao(*line)
    assert done.status == 1
    assert "instance 'web' is running, and cannot be " in done.err
    assert "Stop it first: callao stop web" in done.err
    assert callao.names() == ["web"]


@pytest.mark.parametrize("line", [["rename", "web", "x"], ["factory-reset", "web"]])
def test_a_protected_one_is_refused(callao: Line, web: InstancePaths, line: list[str]) -> None:
    web.protected.touch()
    done = callao(*line)
    assert done.status == 1
    assert "instance 'web' is protected" in done.err
    assert "callao unprotect web" in done.err
    assert callao.names() == ["web"]
    assert holds_the_mark(web.disk)


@pytest.mark.parametrize("line", [["rename", "a", "x"], ["clone", "a", "x"], ["factory-reset", "a"]])
def test_one_that_is_not_there_is_named(callao: Line, line: list[str]) -> None:
    assert "instance 'a' does not exist" in callao(*line).err


@pytest.mark.parametrize("line", [["factory-reset", "web"], ["clone", "web", "copy"]])
def test_a_broken_one_is_told(callao: Line, web: InstancePaths, line: list[str]) -> None:
    web.lima_yaml.write_text("cpus: [\n")
    done = callao(*line)
    assert done.status == 1
    assert "instance 'web' is broken: " in done.err
    assert callao.names() == ["web"]
    assert holds_the_mark(web.disk)


def test_one_that_was_started_meanwhile_is_refused(callao: Line, web: InstancePaths) -> None:
    """The look that decides is the one under the lock."""
    from callao.errors import InstanceError
    from callao.host import Host
    from callao.instances import Runtime, inspect
    from callao.instances.process_identity import identify
    from callao.instances.records import write_json
    from callao.lifecycle.rename import rename

    seen = inspect("web", callao.home, Host.detect())
    callao.sleepers.append(subprocess.Popen(["sleep", "600"]))
    process = identify(callao.sleepers[0].pid)
    assert process is not None
    write_json(web.runtime, Runtime(agent=process))
    with pytest.raises(InstanceError, match="is running"):
        rename(seen, "api", home=callao.home)


@pytest.mark.parametrize("line", [["clone", "web", "copy"], ["factory-reset", "web"]])
def test_a_run_killed_in_the_middle_leaves_nothing_half_made(
    callao: Line, web: InstancePaths, line: list[str]
) -> None:
    """The program that makes the disk waits, and the run is killed there."""
    import shutil

    mark = callao.home.parent / "reached"
    for name in ("cp", "qemu-img"):
        real = shutil.which(name)
        # What is asked of an image is answered; making one is where it hangs.
        callao.program(
            name, f'#!/bin/sh\n[ "$1" = info ] && exec {real} "$@"\ntouch {mark}\nexec sleep 600\n'
        )
    argv = [sys.executable, "-m", "callao.cli.main", *line]
    run = subprocess.Popen(argv, start_new_session=True, stderr=subprocess.DEVNULL)
    while not mark.exists() and run.poll() is None:
        time.sleep(0.02)
    assert mark.exists()
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert callao.names() == ["web"]
    assert holds_the_mark(web.disk)
    for name in ("cp", "qemu-img"):
        (callao.home.parent / "bin" / name).unlink()
    done = callao(*line)
    assert done.status == 0, done.err
    assert not [each for each in files(callao.home) if each.startswith(".")]
    assert not [each for each in files(web.dir) if each.startswith(".")]
