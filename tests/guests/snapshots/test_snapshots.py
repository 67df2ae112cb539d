# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of a real guest: taken while it runs and while it is off, restored, refused, deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.home import Home, build_golden, temporary_home

from callao.config import dump
from callao.errors import CallaoError, SnapshotError
from callao.events import silent
from callao.instances import InstancePaths, inspect
from callao.lifecycle.snapshots import operations
from callao.snapshots import Snapshot, list_snapshots, size

pytestmark = pytest.mark.guest


class Box:
    """The guest, and its snapshots."""

    def __init__(self, home: Home, shared: Path) -> None:
        self.home, self.shared = home, shared
        self.place: dict[str, Any] = {"home": home.path, "host": home.host, "timeout": 300.0}

    @property
    def paths(self) -> InstancePaths:
        return InstancePaths(self.home.path / "box")

    def run(self, command: str) -> str:
        done = self.home.ssh("box", command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def take(self, name: str) -> Snapshot:
        return operations.take("box", name, **self.place, report=silent)

    def apply(self, name: str) -> None:
        operations.apply("box", name, **self.place, report=silent)

    def delete(self, name: str) -> None:
        operations.delete("box", name, **self.place)

    def names(self) -> list[str]:
        return [each.name for each in list_snapshots(self.paths)]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with temporary_home(build_golden()) as home:
        shared = tmp_path_factory.mktemp("shared")
        shared.chmod(0o755)  # virtiofs has the host's permissions, for the guest's user, too
        (shared / "greeting").write_text("hello\n")
        mounts = [{"location": str(shared), "mountPoint": "/mnt/shared", "writable": True}]
        extra = {**home.direct(), "mounts": mounts, "mountType": "virtiofs"}
        home.ensure("box", extra=extra, warm=True, timeout=600)
        yield Box(home, shared)


def test_a_running_box_returns_to_a_moment_memory_and_disk(box: Box) -> None:
    box.run("echo before >/tmp/memory; echo before >disk; sync")
    box.run("sudo sh -c 'nohup sleep 9999 >/dev/null 2>&1 &'")
    taken = box.take("pristine")
    assert taken.machine is not None
    assert size(box.paths, taken) > 50 * 2**20
    assert box.run("cat /mnt/shared/greeting") == "hello\n"  # let go for the moment, and given back
    box.run("echo after >/tmp/memory; rm disk; sudo pkill -x sleep")
    for _ in range(2):
        box.apply("pristine")
        assert box.run("cat /tmp/memory disk; pgrep -x sleep | wc -l") == "before\nbefore\n1\n"
        assert box.run("cat /mnt/shared/greeting") == "hello\n"
        before = time.time()
        assert before - 3 < float(box.run("date +%s")) < time.time() + 2
        box.run("rm /tmp/memory disk; sudo pkill -x sleep")


def test_a_new_box_begins_at_a_moment_as_itself(box: Box) -> None:
    assert box.home.ensure("twin", template=None, origin="box@pristine", timeout=600).changed
    look = "cat /tmp/memory disk /mnt/shared/greeting; hostname; sudo cat /mnt/lima-cidata/meta-data"
    twin = box.home.ssh("twin", look)
    assert twin.stdout.splitlines()[:4] == ["before", "before", "hello", "lima-twin"], twin.stderr
    assert "lima-twin" in twin.stdout.splitlines()[-1]
    assert box.home.ssh("twin", "cat /etc/machine-id").stdout != box.run("cat /etc/machine-id")
    assert not box.home.ensure("twin", template=None, origin="box@pristine").changed
    box.home.delete("twin")
    assert box.names() == ["pristine"]


def test_a_sshd_that_keeps_its_keys_is_made_to_read_them_again(box: Box) -> None:
    """As those from OpenSSH 9.8 on do. This one is older; a word in its file has it taken for such a one."""
    box.run("sudo sh -c 'cd /usr/sbin && cp -p sshd new && printf sshd-session >>new && mv new sshd'")
    box.take("keeping")
    assert box.home.ensure("twin", template=None, origin="box@keeping", timeout=600).changed
    log = box.home.ssh("twin", "sudo journalctl -q --no-pager -t sshd").stdout
    assert "Received SIGHUP; restarting." in log
    box.home.delete("twin")
    box.delete("keeping")


def test_moments_stand_on_each_other_and_go_one_by_one(box: Box) -> None:
    box.apply("pristine")
    box.run("echo two >disk; sync")
    box.take("second")
    box.run("echo three >disk; sync")
    assert box.names() == ["pristine", "second"]
    box.apply("pristine")
    assert box.run("cat disk") == "before\n"
    box.apply("second")
    assert box.run("cat disk") == "two\n"
    box.delete("pristine")
    assert box.names() == ["second"]
    box.apply("second")
    assert box.run("cat disk") == "two\n"


def test_what_is_in_use_on_a_share_refuses_and_leaves_all_as_it_was(box: Box) -> None:
    box.run("sudo setsid sh -c 'cd /mnt/shared && exec sleep 600' >/dev/null 2>&1 & sleep 0.5")
    with pytest.raises(CallaoError, match=r"/mnt/shared.*cannot be unmounted"):
        box.take("no")
    assert "no" not in box.names()
    assert [path.name for path in box.paths.snapshots.iterdir()] == ["second"]
    assert box.run("cat /mnt/shared/greeting") == "hello\n"
    box.run("sudo pkill -x sleep")


def test_another_machine_is_refused_with_what_differs(box: Box) -> None:
    with pytest.raises(SnapshotError, match="already"):
        box.take("second")
    with pytest.raises(SnapshotError, match=r"has no snapshot 'third' \(there are: second\)"):
        box.apply("third")
    document = box.paths.lima_yaml.read_text()
    config = dict(inspect("box", box.home.path, box.home.host).document)
    box.paths.lima_yaml.write_text(dump({**config, "cpus": 2}))
    with pytest.raises(SnapshotError, match=r"the machine has changed since: -smp was 1 and is 2"):
        box.apply("second")
    box.paths.lima_yaml.write_text(document)
    assert box.run("cat disk") == "two\n"  # it still runs, untouched


def test_a_box_that_is_off_keeps_its_disk(box: Box) -> None:
    box.home.ensure("box", template=None, state="stopped")
    assert box.take("off").machine is None
    box.apply("second")  # one with memory sets it off
    assert box.run("cat disk; cat /mnt/shared/greeting") == "two\nhello\n"
    assert "pristine" not in box.names()
    with pytest.raises(SnapshotError, match="Stop it first"):
        box.apply("off")
    box.home.ensure("box", template=None, state="stopped", force=True)
    box.apply("off")
    assert inspect("box", box.home.path, box.home.host).status.value == "Stopped"
    box.delete("second")
    box.delete("off")
    assert [path.name for path in box.paths.dir.glob("disk.*")] != []
