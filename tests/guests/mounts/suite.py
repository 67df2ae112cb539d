# SPDX-License-Identifier: GPL-3.0-or-later
"""What every mount type promises."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from mounts.conftest import NASTY, Box, quoted

from callao.errors import CallaoError

MANY = 30
"""More directories than any machine takes."""

HOT = ["virtiofs", "9p", "reverse-sshfs"]


class ColdSuite:
    """The mounts of lima.yaml."""

    def test_all_of_them_are_there(self, box: Box) -> None:
        assert box.run("cat /mnt/read/greeting /mnt/write/greeting") == "hello\nhello\n"
        assert box.run(f"cat {quoted(f'/mnt/{NASTY}/inside')}") == "nasty\n"

    def test_what_the_guest_writes_is_on_the_host(self, box: Box) -> None:
        box.run("printf data >/mnt/write/new; mkdir -p /mnt/write/d; printf x >/mnt/write/sub/y")
        assert (box.cold / "new").read_text() == "data"
        assert (box.cold / "sub" / "y").read_text() == "x"
        box.run("mv /mnt/write/new /mnt/write/d/renamed; ln -s renamed /mnt/write/d/link")
        assert (box.cold / "d" / "link").read_text() == "data"
        box.run("rm -r /mnt/write/d")
        assert not (box.cold / "d").exists()

    def test_read_only_is_read_only_on_the_hosts_side(self, box: Box) -> None:
        """Whatever root does in the guest: mounting it anew, writable, gives it no more."""
        box.refuses("touch /mnt/read/no")
        box.refuses("mount -o remount,rw /mnt/read && touch /mnt/read/no")
        box.refuses("rm /mnt/read/greeting")
        box.refuses("chmod 777 /mnt/read/greeting")
        box.run("mount -o remount,ro /mnt/read || true")
        assert not (box.cold / "no").exists()
        assert (box.cold / "greeting").read_text() == "hello\n"

    def test_the_folder_that_holds_the_instance_itself_can_be_shared(self, box: Box) -> None:
        assert box.run("cat /mnt/home/shared/greeting /mnt/home/box/lima.yaml | head -n 1") == "hello\n"
        box.refuses("touch /mnt/home/no")
        box.refuses("mount -o remount,rw /mnt/home; touch /mnt/home/box/no")


class HotSuite:
    """Mounts of a running machine."""

    @pytest.mark.parametrize("kind", HOT)
    def test_a_directory_comes_and_goes(self, box: Box, tmp_path: Path, kind: str) -> None:
        folder = tmp_path / NASTY
        folder.mkdir()
        (folder / "x").write_text("hot\n")
        point = quoted("/srv/hot, 'x")
        request = {"location": str(folder), "mount_point": "/srv/hot, 'x", "type": kind}
        assert box.mount(check=True, **request).changed
        assert box.mounts() == (before := box.mounts())
        added = box.mount(**request)
        assert added.changed
        assert added.after is not None
        assert (added.after["type"], added.after["writable"]) == (kind, False)
        assert box.run(f"cat {point}/x") == "hot\n"
        box.refuses(f"mount -o remount,rw {point}; touch {point}/no")
        assert not (folder / "no").exists()
        assert not box.mount(**request).changed
        writable = box.mount(**request, writable=True)
        assert writable.changed
        box.run(f"printf yes >{point}/yes")
        assert (folder / "yes").read_text() == "yes"
        assert box.mount(mount_point=request["mount_point"], state="unmounted").changed
        assert not box.mount(mount_point=request["mount_point"], state="unmounted").changed
        box.refuses(f"mountpoint -q {point}")
        assert box.mounts() == before

    @pytest.mark.parametrize("kind", HOT)
    def test_one_that_is_in_use_stays_and_says_who_uses_it(
        self, box: Box, tmp_path: Path, kind: str
    ) -> None:
        (tmp_path / "x").write_text("1")
        box.mount(location=str(tmp_path), mount_point="/srv/busy", type=kind)
        box.run("setsid sh -c 'cd /srv/busy && exec sleep 600' >/dev/null 2>&1 & sleep 0.5")
        with pytest.raises(CallaoError, match=r"/srv/busy.*cannot be unmounted.*(sleep|busy)"):
            box.mount(mount_point="/srv/busy", state="unmounted")
        assert box.run("cat /srv/busy/x") == "1"
        box.run("pkill -x sleep")
        assert box.mount(mount_point="/srv/busy", state="unmounted").changed

    def test_content_below_a_mount_point_is_hidden_and_comes_back(self, box: Box, tmp_path: Path) -> None:
        box.run("mkdir -p /srv/full && echo mine >/srv/full/file")
        box.mount(location=str(tmp_path), mount_point="/srv/full")
        assert box.run("ls /srv/full") == ""
        box.mount(mount_point="/srv/full", state="unmounted")
        assert box.run("cat /srv/full/file") == "mine\n"

    @pytest.mark.parametrize("kind", ["virtiofs", "9p"])
    def test_eight_at_once_and_one_too_many_is_told_why(self, box: Box, tmp_path: Path, kind: str) -> None:
        def add(index: int) -> str:
            folder = tmp_path / str(index)
            folder.mkdir()
            (folder / "n").write_text(f"{index} ")
            try:
                box.mount(location=str(folder), mount_point=f"/srv/{index:02}", type=kind)
            except CallaoError as error:
                return str(error)
            return ""

        refusals = (add(index) for index in range(MANY))
        mounted, refusal = next((index, said) for index, said in enumerate(refusals) if said)
        assert re.search(r"all [0-9]+ slots.*are taken", refusal)
        assert mounted >= 8
        assert box.run("cat /srv/??/n").split() == [str(index) for index in range(mounted)]
        for index in range(mounted):
            box.mount(mount_point=f"/srv/{index:02}", state="unmounted")

    @pytest.mark.parametrize("kind", HOT)
    def test_a_directory_that_vanishes_is_empty_or_an_error_and_can_be_removed(
        self, box: Box, tmp_path: Path, kind: str
    ) -> None:
        folder = tmp_path / "gone"
        folder.mkdir()
        (folder / "x").write_text("1")
        box.mount(location=str(folder), mount_point="/srv/gone", type=kind)
        shutil.rmtree(folder)
        box.refuses("cat /srv/gone/x")
        assert box.mount(mount_point="/srv/gone", state="unmounted").changed

    def test_what_cannot_be_is_refused_before_anything_is_touched(self, box: Box, tmp_path: Path) -> None:
        before = box.mounts()
        for request, words in (
            ({"location": str(tmp_path / "none")}, "location.*none.*not a directory"),
            ({"location": "relative"}, "location.*relative.*not absolute"),
            ({"location": str(tmp_path), "mount_point": "here"}, "mount_point.*here.*not absolute"),
            ({"location": str(tmp_path), "type": "nfs"}, "type.*nfs.*allowed"),
            ({"location": str(tmp_path), "state": "there"}, "state.*there.*allowed"),
            ({"state": "unmounted"}, "mount_point: is needed"),
        ):
            with pytest.raises(CallaoError, match=words):
                box.mount(**request)
        assert box.mounts() == before

    def test_a_lasting_mount_is_in_lima_yaml_and_no_run_restarts_the_machine_for_it(
        self, box: Box, tmp_path: Path
    ) -> None:
        yaml = box.home.path / "box" / "lima.yaml"
        box.mount(location=str(tmp_path), mount_point="/srv/lasting", persist=True)
        assert "/srv/lasting" in yaml.read_text()
        outcome = box.home.ensure("box", template=None)
        assert outcome.actions == ()
        box.mount(mount_point="/srv/lasting", state="unmounted", persist=True)
        assert "/srv/lasting" not in yaml.read_text()
        assert box.home.ensure("box", template=None).actions == ()

    def test_a_lost_connection_brings_its_mounts_back(self, box: Box, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("still\n")
        box.mount(location=str(tmp_path), mount_point="/srv/stream", type="reverse-sshfs")
        box.home.ssh("box", "sudo pkill -9 sshd-session; sudo pkill -9 -f 'sshd: '")
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            done = box.home.ssh("box", "mountpoint -q /srv/stream && cat /srv/stream/x")
            if done.stdout == "still\n":
                break
            time.sleep(0.5)
        assert done.stdout == "still\n", done.stderr
        assert box.mount(mount_point="/srv/stream", state="unmounted").changed


WATCH = r"""
import ctypes, os, select, sys, time
libc = ctypes.CDLL(None)
fd = libc.inotify_init()
def watch():
    for path in sys.argv[1:]:
        assert libc.inotify_add_watch(fd, os.fsencode(path), 0x2 | 0x4 | 0x8) > 0, path
watch()
print("watching", flush=True)
seen, end = set(), time.monotonic() + 180
while "end" not in seen and time.monotonic() < end:
    if not select.select([fd], [], [], 2)[0]:
        watch()
        continue
    data = os.read(fd, 1 << 20)
    while data:
        size = int.from_bytes(data[12:16], sys.byteorder)
        name = os.fsdecode(data[16 : 16 + size].rstrip(b"\0"))
        data = data[16 + size :]
        if name and name not in seen:
            seen.add(name)
            print(name, flush=True)
"""
"""Tells the names that IN_MODIFY, IN_ATTRIB or IN_CLOSE_WRITE come for, until ``end``.

It watches again after a silence: on 9p a watch that is older than the guest's program, which comes back a
while after a lost connection, hears of nothing.
"""


class InotifySuite:
    """``mountInotify``."""

    def test_a_watcher_in_the_guest_hears_of_the_hosts_changes(self, box: Box) -> None:
        nested = box.cold / "sub" / "deep"
        nested.mkdir(parents=True, exist_ok=True)
        (nested / "old").write_text("1")
        argv = ["ssh", "-F", str(box.home.path / "box" / "ssh.config"), "lima-box"]
        box.run(f"printf %s {quoted(WATCH)} >/run/watch.py")
        command = "sudo python3 /run/watch.py /mnt/write/sub/deep"
        with subprocess.Popen([*argv, command], stdout=subprocess.PIPE, text=True) as watching:
            assert watching.stdout is not None
            assert watching.stdout.readline() == "watching\n"
            heard = b""
            # A new folder is watched a moment after it is made: changes before that are not told.
            deadline = time.monotonic() + 120
            for name in ("old", "new file", "end"):
                while name.encode() not in heard.splitlines() and time.monotonic() < deadline:
                    (nested / name).write_text(f"{time.monotonic()}")
                    if select.select([watching.stdout], [], [], 1.0)[0]:
                        heard += os.read(watching.stdout.fileno(), 65536)
        assert {"old", "new file", "end"} <= set(heard.decode().splitlines())
