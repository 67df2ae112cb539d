# SPDX-License-Identifier: GPL-3.0-or-later
"""Additional disks of real guests: two warm boxes, of which one boots once, after its agent was killed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support.connection import boot_of
from support.home import Home, build_golden, temporary_home
from support.masters import control_folder

from callao.disks import DiskPaths, inspect
from callao.disks.change import create, resize
from callao.disks.ownership import owner_of
from callao.errors import CallaoError
from callao.events import silent
from callao.images.formats import ImageFormat
from callao.instances import inspect as inspect_instance
from callao.instances.process_identity import wait_gone
from callao.lifecycle.snapshots import operations

pytestmark = pytest.mark.guest

LONG = "a-name-that-is-longer-than-any-label"
SWAP = {"name": "pages", "fsType": "swap"}


class Boxes:
    """The boxes "one" and "two", and the disks that go between them."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def ensure(self, name: str, *disks: Any, **request: Any) -> Any:
        extra = {**self.home.direct(), "additionalDisks": list(disks)}
        return self.home.ensure(name, extra=extra, **{"warm": True, "timeout": 600, **request})

    def run(self, name: str, command: str) -> str:
        done = self.home.ssh(name, command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def file_system(self, name: str, disk: str) -> list[str]:
        """The label, and the type, by the mounted device's own bytes: udev may not have read them yet."""
        mounted = f"$(findmnt -n -o SOURCE /mnt/lima-{disk})"
        return self.run(name, f"sudo blkid -p -o value -s LABEL -s TYPE {mounted}").split()

    def machine(self, name: str) -> int:
        found = inspect_instance(name, self.home.path, self.home.host)
        assert found.driver is not None
        return found.driver.pid

    def owner(self, disk: str) -> str:
        found = owner_of(DiskPaths.of(disk, self.home.path))
        return "" if found is None else found.name


@pytest.fixture(scope="module")
def boxes() -> Iterator[Boxes]:
    with temporary_home(build_golden()) as home:
        for name in ("data", "pages", LONG):
            create(name, home.path, size=64 * 2**20, form=ImageFormat.QCOW2)
        create("raw", home.path, size=64 * 2**20, form=ImageFormat.RAW)
        boxes = Boxes(home)
        boxes.ensure("one", "data", SWAP)
        yield boxes


def test_a_new_box_has_its_disks_formatted_and_mounted(boxes: Boxes) -> None:
    assert boxes.file_system("one", "data") == ["lima-data", "ext4"]
    look = (
        "udevadm settle; cat /proc/swaps; ls /dev/disk/by-id;"
        " readlink -f /dev/disk/by-id/virtio-lima-pages-part1"
    )
    swapped = boxes.run("one", look)
    assert swapped.count(swapped.splitlines()[-1]) == 2
    assert "virtio-lima-data" in swapped
    assert (boxes.owner("data"), boxes.owner("pages")) == ("one", "one")
    assert not boxes.ensure("one", "data", SWAP).changed


def test_disks_come_and_go_without_a_restart(boxes: Boxes) -> None:
    before = boxes.machine("one")
    boxes.run("one", "echo precious | sudo tee /mnt/lima-data/file; sync")
    outcome = boxes.ensure("one", "data", SWAP, LONG, "raw", check=True)
    assert outcome.changed
    assert list(outcome.actions) == ["configure", "refresh"]
    boxes.ensure("one", "data", SWAP, LONG, "raw")
    assert boxes.file_system("one", LONG)[0].startswith("lima-a-name")
    assert boxes.file_system("one", "raw") == ["lima-raw", "ext4"]
    assert inspect("raw", boxes.home.path).format is ImageFormat.RAW
    boxes.run("one", "sudo setsid sh -c 'cd /mnt/lima-data && exec sleep 600' >/dev/null 2>&1 & sleep 0.5")
    with pytest.raises(CallaoError, match=r"data cannot be detached: in the guest: .*busy"):
        boxes.ensure("one", SWAP, LONG)
    assert "/mnt/lima-raw" in boxes.run("one", "cat /proc/mounts")  # all of the change is refused
    assert boxes.owner("raw") == "one"
    boxes.run("one", "sudo pkill -x sleep")
    boxes.ensure("one", SWAP, LONG)
    assert boxes.run("one", "cat /proc/mounts").count("/mnt/lima-") == 2  # the seed, and the long one
    assert (boxes.owner("data"), boxes.owner("raw")) == ("", "")
    assert boxes.machine("one") == before


def test_a_disk_goes_to_another_box_with_its_data(boxes: Boxes) -> None:
    with pytest.raises(CallaoError, match=r"disk 'pages' cannot be attached to instance 'two': .* 'one'"):
        boxes.ensure("two", "data", "pages")
    assert (boxes.owner("data"), (boxes.home.path / "two").exists()) == ("", False)
    boxes.ensure("two", "data")
    assert boxes.run("two", "cat /mnt/lima-data/file") == "precious\n"
    with pytest.raises(CallaoError, match="in use by instance 'two'"):
        boxes.ensure("one", SWAP, LONG, "data")
    boxes.home.delete("two")
    assert boxes.owner("data") == ""


def test_a_snapshot_has_all_disks_or_there_is_none(boxes: Boxes) -> None:
    place: dict[str, Any] = {"home": boxes.home.path, "host": boxes.home.host, "timeout": 300.0}
    boxes.ensure("one", SWAP, "raw", "data")
    with pytest.raises(CallaoError, match="its disk 'raw' is raw, and only qcow2 can be kept"):
        operations.take("one", "no", **place, report=silent)
    boxes.ensure("one", SWAP, "data")
    taken = operations.take("one", "kept", **place, report=silent)
    assert set(taken.disks) == {"data", "pages"}
    boxes.run("one", "echo later | sudo tee /mnt/lima-data/file ~/own; sync")
    operations.apply("one", "kept", **place, report=silent)
    assert boxes.run("one", "cat /mnt/lima-data/file; ls") == "precious\n"
    operations.delete("one", "kept", **place)


def test_what_a_killed_agent_left_half_made_is_made_whole_and_grown_at_the_next_start(boxes: Boxes) -> None:
    """The next disk is attached, and has its partition when the agent goes, but no file system.

    The connection plugin starts the box for who wants that, and for nobody else.
    """
    boxes.run(
        "one",
        "sudo sh -c 'mv /sbin/mkfs.ext4 /sbin/mkfs.real; printf \"#!/bin/sh\\n"
        '[ ! -e /run/slow ] || sleep 600\\nexec /sbin/mkfs.real -t ext4 \\"\\$@\\"\\n" >/sbin/mkfs.ext4;'
        " chmod 755 /sbin/mkfs.ext4; touch /run/slow; sync'",
    )
    create("late", boxes.home.path, size=64 * 2**20, form=ImageFormat.QCOW2)

    def attach() -> None:
        with pytest.raises(CallaoError):
            boxes.ensure("one", SWAP, "data", "late")

    attaching = threading.Thread(target=attach)
    attaching.start()
    boxes.run("one", "until pgrep -f '[m]kfs.ext4 -L' >/dev/null; do sleep 0.2; done")
    agent = inspect_instance("one", boxes.home.path, boxes.home.host).agent
    assert agent is not None
    machine = inspect_instance("one", boxes.home.path, boxes.home.host).driver
    os.kill(agent.pid, signal.SIGKILL)
    attaching.join()
    assert wait_gone(machine, 30)
    assert boxes.owner("late") == "one"  # nobody could free it, and nobody is there
    for name in ("data", "pages"):
        resize(name, boxes.home.path, size=256 * 2**20)
    boxes.ensure("one", SWAP, "data", "late", state="present")
    with control_folder() as control_dir:
        place = {"home": boxes.home.path, "control_dir": control_dir}
        assert "instance 'one' is stopped" in boot_of("one", **place)
        assert "CHANGED" in (said := boot_of("one", lima_autostart=True, **place)), said
    assert boxes.run("one", "cat /mnt/lima-data/file") == "precious\n"
    assert boxes.file_system("one", "late") == ["lima-late", "ext4"]
    size, swap = boxes.run(
        "one", "df --output=size -B1M /mnt/lima-data | tail -1; free -m | tail -1"
    ).split()[:3:2]
    assert int(size) > 200
    assert int(swap) > 200
    boxes.home.ensure("one", template=None, state="stopped", force=True)
    assert [boxes.owner(name) for name in ("data", "pages", "late")] == ["", "", ""]
