# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio

import pytest

from callao.inotify import Change, Kind, Shared
from callao.inotify.change import Stamp, guest_changes, merge_kinds, parent_folders
from callao.inotify.echo_filter import EchoFilter
from callao.inotify.queue import ChangeQueue

HOME = Shared("/home/ana", "/mnt/ana")
CODE = Shared("/home/ana/code", "/code")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/ana/a", ["/mnt/ana/a"]),
        ("/home/ana", ["/mnt/ana"]),
        ("/home/ana/code/x/y", ["/code/x/y"]),
        ("/home/ana/codex", ["/mnt/ana/codex"]),
        ("/home/anabel/a", []),
    ],
)
def test_a_path_belongs_to_the_longest_location_that_holds_it(path: str, expected: list[str]) -> None:
    assert [change.path for change in guest_changes(Kind.ADDED, path, [HOME, CODE])] == expected


def test_a_location_with_two_mount_points_changes_at_both() -> None:
    shares = [CODE, Shared("/home/ana/code/", "/srv/")]
    assert [change.path for change in guest_changes(Kind.ADDED, "/home/ana/code/x", shares)] == [
        "/code/x",
        "/srv/x",
    ]


def test_the_host_s_root_can_be_a_location() -> None:
    assert [change.path for change in guest_changes(Kind.ADDED, "/etc/x", [Shared("/", "/host")])] == [
        "/host/etc/x"
    ]


def test_what_comes_or_goes_changes_its_folder_inside_the_location_only() -> None:
    kinds = {"/s/a/new": Kind.ADDED, "/s/b/old": Kind.DELETED, "/s/c/same": Kind.MODIFIED, "/s": Kind.ADDED}
    assert parent_folders(kinds, ["/s"]) == {"/s/a", "/s/b"}


@pytest.mark.parametrize(
    ("earlier", "later", "both"),
    [
        (None, Kind.MODIFIED, Kind.MODIFIED),
        (Kind.ADDED, Kind.MODIFIED, Kind.ADDED),
        (Kind.ADDED, Kind.DELETED, Kind.DELETED),
        (Kind.DELETED, Kind.ADDED, Kind.ADDED),
    ],
)
def test_two_changes_of_a_path_become_one(earlier: Kind | None, later: Kind, both: Kind) -> None:
    assert merge_kinds(earlier, later) is both


def test_an_echo_is_known_by_all_but_its_access_time() -> None:
    told = EchoFilter(capacity=2)
    stamp = Stamp(mode=0o100644, mtime=1, size=2, inode=3, owner=(4, 5), atime=6)
    told.remember("a", stamp)
    assert told.is_echo("a", Stamp(0o100644, 1, 2, 3, (4, 5), atime=7))
    assert not told.is_echo("a", Stamp(0o100755, 1, 2, 3, (4, 5)))
    assert not told.is_echo("b", stamp)


def test_stamps_are_forgotten_beyond_the_capacity() -> None:
    told = EchoFilter(capacity=2)
    stamp = Stamp(0, 1, 2, 3, (4, 5))
    for path in ("a", "b"):
        told.remember(path, stamp)
    assert not told.forgetful
    told.remember("c", stamp)
    assert told.forgetful
    assert [path for path in "abc" if told.is_echo(path, stamp)] == ["b", "c"]


def test_what_is_given_back_goes_first_and_merges_with_what_came_since() -> None:
    async def scenario() -> list[Change]:
        box = ChangeQueue()
        await box.put([Change(Kind.ADDED, "/s/a", "/m", "a"), Change(Kind.ADDED, "/s/b", "/m", "b")])
        sent = await box.take()
        await box.put([Change(Kind.ADDED, "/s/c", "/m", "c"), Change(Kind.MODIFIED, "/s/a", "/m", "a")])
        box.requeue(sent)
        return await box.take()

    assert [(change.name, change.kind) for change in asyncio.run(scenario())] == [
        ("a", Kind.ADDED),
        ("b", Kind.ADDED),
        ("c", Kind.ADDED),
    ]
