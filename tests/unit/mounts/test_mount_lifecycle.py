# SPDX-License-Identifier: GPL-3.0-or-later
"""One directory of a stopped instance brought to a wanted state: in lima.yaml, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callao.config import dump
from callao.errors import CallaoError, InstanceBroken, InstanceError
from callao.host import Host, HostUser
from callao.instances import InstancePaths, Runtime, inspect
from callao.instances.process_identity import identify
from callao.instances.records import write_json
from callao.lifecycle.mounts import MountOutcome, MountRequest, ensure_mount, mounts_of


class Stopped:
    """An instance ``web`` without a disk, in a home of its own; Ann's home is a folder beside it."""

    def __init__(self, folder: Path) -> None:
        self.home, self.user = folder / "h", folder / "ann"
        self.paths = InstancePaths(self.home / "web")
        self.paths.dir.mkdir(parents=True)
        (self.user / "src").mkdir(parents=True)
        self.host = Host("linux", "x86_64", 8, 2**34, HostUser("ann", 1001, "Ann", str(self.user)), "")
        self.write()

    def write(self, *mounts: dict[str, Any], **extra: Any) -> None:
        document = {
            "images": [{"location": "/nowhere.qcow2"}], "vmType": "qemu", "arch": "x86_64",
            "cpus": 2, "memory": "1GiB", "mountType": "9p", **extra,
        }  # fmt: skip
        self.paths.lima_yaml.write_text(dump({**document, **({"mounts": list(mounts)} if mounts else {})}))

    def mount(self, *, check: bool = False, **request: Any) -> MountOutcome:
        wish = MountRequest(**{"instance": "web", "persist": True, **request})
        return ensure_mount(wish, home=self.home, host=self.host, check=check)

    def kept(self) -> Any:
        return inspect("web", self.home, self.host).document.get("mounts", [])

    def points(self) -> list[str]:
        return [each["mountPoint"] for each in mounts_of(inspect("web", self.home, self.host))]

    def text(self) -> bytes:
        return self.paths.lima_yaml.read_bytes()


@pytest.fixture
def web() -> Iterator[Stopped]:
    with tempfile.TemporaryDirectory(prefix="m-", dir="/tmp") as folder:
        yield Stopped(Path(folder))


def test_it_comes_into_lima_yaml_once(web: Stopped) -> None:
    wish = {"location": f"{web.user}/src", "mount_point": "/srv/src", "writable": True}
    first = web.mount(**wish)
    assert (first.changed, first.before) == (True, None)
    assert first.after is not None
    assert first.after["mountPoint"] == "/srv/src"
    assert web.kept() == [{"location": wish["location"], "mountPoint": "/srv/src", "writable": True}]
    text = web.text()
    second = web.mount(**wish)
    assert (second.changed, second.before) == (False, second.after)
    assert web.text() == text


def test_check_mode_tells_and_writes_nothing(web: Stopped) -> None:
    text = web.text()
    outcome = web.mount(location=f"{web.user}/src", mount_point="/srv/src", check=True)
    assert (outcome.changed, outcome.before) == (True, None)
    assert outcome.after is not None
    assert web.text() == text


def test_check_mode_refuses_what_the_run_would(web: Stopped) -> None:
    with pytest.raises(CallaoError, match=r"mountPoint: '/etc': would cover the guest's own directory"):
        web.mount(location=f"{web.user}/src", mount_point="/etc", check=True)


def test_it_goes_again(web: Stopped) -> None:
    web.mount(location=f"{web.user}/src", mount_point="/srv/src")
    assert web.mount(mount_point="/srv/src", state="unmounted", check=True).changed
    assert web.points() == ["/srv/src"]
    gone = web.mount(mount_point="/srv/src", state="unmounted")
    assert (gone.changed, gone.after) == (True, None)
    assert web.kept() == []
    assert not web.mount(mount_point="/srv/src", state="unmounted").changed


def test_one_in_lima_yamls_own_words_is_known_and_keeps_them(web: Stopped) -> None:
    for entry in (
        {"location": "~/src"},
        {"location": "~/src/"},
        {"location": "~/src", "mountPoint": f"{web.user}/src/"},
    ):
        web.write(entry)
        assert not web.mount(location="~/src").changed
        assert web.kept() == [entry]
        assert web.mount(location="~/src", writable=True).changed
        assert len(web.points()) == 1
        assert web.mount(mount_point=f"{web.user}/src", state="unmounted").changed
        assert web.kept() == []


def test_options_that_nobody_spoke_of_stay(web: Stopped) -> None:
    web.write({"location": "/data", "mountPoint": "/srv", "9p": {"msize": "64KiB"}})
    web.mount(location="~/src", mount_point="/srv")
    (entry,) = web.kept()
    assert (entry["location"], entry["9p"]) == (f"{web.user}/src", {"msize": "64KiB"})


def test_a_new_one_comes_last_for_it_may_lie_below_another(web: Stopped) -> None:
    web.write({"location": "/data", "mountPoint": "/srv"})
    web.mount(location="~/src", mount_point="/srv/below")
    assert web.points() == ["/srv", "/srv/below"]


def test_the_same_directory_can_be_at_two_points(web: Stopped) -> None:
    web.mount(location="~/src", mount_point="/a")
    web.mount(location="~/src", mount_point="/b")
    assert web.points() == ["/a", "/b"]


def test_a_stopped_one_cannot_be_given_something_for_now_only(web: Stopped) -> None:
    with pytest.raises(InstanceError, match=r"not ready.*Start it; or .*'persist: true'"):
        web.mount(location="~/src", persist=False)
    assert not web.mount(mount_point="/srv", state="unmounted", persist=False).changed


def test_one_that_is_starting_says_to_wait(web: Stopped) -> None:
    process = identify(os.getpid())
    assert process is not None
    write_json(web.paths.runtime, Runtime(agent=process, driver=process, ssh_port=60022, ready=False))
    with pytest.raises(InstanceError, match=r"still starting.*Wait until it is ready"):
        web.mount(location="~/src")


def test_a_plain_one_keeps_nothing_but_lets_go_of_what_its_lima_yaml_lists(web: Stopped) -> None:
    web.write({"location": "~/src", "mountPoint": "/srv"}, plain=True)
    with pytest.raises(InstanceError, match=r"'web' is plain: no start mounts anything\. Take 'plain' out"):
        web.mount(location="~/src")
    assert web.points() == []
    assert web.mount(mount_point="/srv", state="unmounted").changed
    assert web.kept() == []


def test_a_broken_one_says_what_is_broken(web: Stopped) -> None:
    web.write({"location": "relative"})
    with pytest.raises(InstanceBroken, match=r"mounts\[0\]\.location"):
        web.mount(location="~/src")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"location": "~/none"}, "location: '/.*/none' is not a directory"),
        ({"location": "relative"}, "location: 'relative' is not absolute"),
        ({"location": "~/src", "mount_point": "here"}, "mount_point: 'here' is not absolute"),
        ({"location": "~/src", "type": "nfs"}, "type: 'nfs' is not known .allowed: reverse-sshfs, 9p, virt"),
        ({"location": "~/src", "state": "there"}, "state: 'there' is not known"),
        ({"mount_point": "/srv"}, "location: is needed"),
        ({"state": "unmounted"}, "mount_point: is needed"),
        ({"location": "~/src", "mount_point": "/"}, "would cover the guest's own directory"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(
    web: Stopped, request_: dict[str, Any], words: str
) -> None:
    text = web.text()
    with pytest.raises(CallaoError, match=words):
        web.mount(**request_)
    assert web.text() == text
