# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from inotify.spy import same
from support.waiting import PATIENCE, until

from callao.inotify import Kind, Shared, Watcher
from callao.inotify.change import stamp_of
from callao.inotify.echo_filter import EchoFilter
from callao.inotify.tree import BATCH, Tree


@pytest.fixture
def tree() -> Iterator[Tree]:
    tree = Tree(EchoFilter())
    yield tree
    tree.close()


def taken(tree: Tree) -> dict[str, Kind]:
    tree.read()
    return {change.path: change.kind for batch in tree.take() for change in batch}


def added(tree: Tree, folder: Path) -> None:
    for share in same(folder):
        tree.add(share)


def test_what_was_there_before_is_no_change(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    added(tree, tmp_path)
    assert taken(tree) == {}


def test_each_kind_is_told_with_the_folder_of_what_came_or_went(tree: Tree, tmp_path: Path) -> None:
    for name in ("changed", "gone", "before"):
        (tmp_path / name).touch()
    (tmp_path / "below").mkdir()
    added(tree, tmp_path)
    (tmp_path / "changed").write_text("x")
    assert taken(tree) == {f"{tmp_path}/changed": Kind.MODIFIED}
    (tmp_path / "gone").unlink()
    (tmp_path / "before").rename(tmp_path / "below" / "after")
    assert taken(tree) == {
        f"{tmp_path}/gone": Kind.DELETED,
        f"{tmp_path}/before": Kind.DELETED,
        f"{tmp_path}/below/after": Kind.ADDED,
        f"{tmp_path}/below": Kind.MODIFIED,
        f"{tmp_path}": Kind.MODIFIED,
    }


def test_folders_filled_before_they_are_watched_lose_nothing(tree: Tree, tmp_path: Path) -> None:
    added(tree, tmp_path)
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    assert taken(tree)[f"{deep}/file"] is Kind.ADDED
    (deep / "file").write_text("x")
    assert taken(tree) == {f"{deep}/file": Kind.MODIFIED}


def test_a_renamed_folder_is_watched_under_its_new_name(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "old" / "inner").mkdir(parents=True)
    added(tree, tmp_path)
    (tmp_path / "old").rename(tmp_path / "new")
    taken(tree)
    (tmp_path / "new" / "inner" / "file").touch()
    assert taken(tree)[f"{tmp_path}/new/inner/file"] is Kind.ADDED


def test_a_file_replaced_by_a_rename_has_come(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    added(tree, tmp_path)
    (tmp_path / "file~").write_text("x")
    (tmp_path / "file~").replace(tmp_path / "file")
    assert taken(tree)[f"{tmp_path}/file"] is Kind.ADDED


def test_what_alters_nothing_since_it_was_told_is_an_echo(tmp_path: Path) -> None:
    told = EchoFilter()
    tree = Tree(told)
    file = tmp_path / "file"
    file.touch()
    added(tree, tmp_path)
    told.remember(str(file), stamp_of(str(file)))
    state = file.stat()
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert taken(tree) == {}
    file.chmod(0o600)
    assert taken(tree) == {str(file): Kind.MODIFIED}
    tree.close()


def test_an_overflow_of_the_kernel_s_queue_loses_nothing(tree: Tree, tmp_path: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip(f"max_queued_events is {limit} here: too many to be filled in passing (default: 16384)")
    added(tree, tmp_path)
    (tmp_path / "below").mkdir()
    taken(tree)
    files = {f"{tmp_path}/below/{number}" for number in range(limit // 2 + 10)}
    for file in files:
        Path(file).touch()  # CREATE, ATTRIB and CLOSE_WRITE
    tree.read()
    batches = list(tree.take())
    assert files <= {change.path for batch in batches for change in batch}
    assert max(len(batch) for batch in batches) <= BATCH
    (tmp_path / "below" / "0").write_text("x")
    assert taken(tree) == {f"{tmp_path}/below/0": Kind.MODIFIED}


def test_more_than_is_to_be_held_is_found_by_a_walk(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callao.inotify.tree._MAX_PENDING", 5)
    added(tree, tmp_path)
    for number in range(20):
        (tmp_path / str(number)).touch()
    assert {f"{tmp_path}/{number}" for number in range(20)} <= set(taken(tree))


def test_with_too_few_watches_a_sweep_finds_changes(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: str, *, follow: bool) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tree._kernel, "watch", refuse)
    added(tree, tmp_path)
    assert tree.lacks_watches
    (tmp_path / "file").touch()
    tree.request_walk()
    assert f"{tmp_path}/file" in taken(tree)


def test_symlinks_are_not_followed(tree: Tree, tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (inside / "link").symlink_to(outside)
    added(tree, inside)
    (inside / "later").symlink_to(outside)
    assert taken(tree) == {f"{inside}/later": Kind.ADDED, f"{inside}": Kind.MODIFIED}
    (outside / "file").touch()
    assert taken(tree) == {}


def test_a_location_may_be_a_symlink(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    tree.add(Shared(str(tmp_path / "link"), "/m"))
    (tmp_path / "real" / "file").touch()
    assert taken(tree) == {"/m/file": Kind.ADDED, "/m": Kind.MODIFIED}


@pytest.mark.parametrize(
    "name", ["ñandú 日本", "two  spaces ", "new\nline", '"quoted\\', os.fsdecode(b"\xff\xfe")]
)
def test_any_name_is_told(tree: Tree, tmp_path: Path, name: str) -> None:
    added(tree, tmp_path)
    (tmp_path / name).touch()
    assert f"{tmp_path}/{name}" in taken(tree)


def test_shares_come_and_go_while_it_runs(tree: Tree, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    outer_share, inner_share = Shared(str(tmp_path), "/outer"), Shared(str(inner), "/inner")

    def with_source(name: str) -> set[str]:
        (inner / name).touch()
        return set(taken(tree)) - {"/outer", "/outer/inner", "/inner"}

    tree.add(outer_share)
    assert with_source("a") == {"/outer/inner/a"}
    tree.add(inner_share)
    assert with_source("b") == {"/inner/b"}
    tree.remove(outer_share)
    assert with_source("c") == {"/inner/c"}
    tree.remove(inner_share)
    assert with_source("d") == set()


def test_a_location_that_vanishes_is_watched_again_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callao.inotify.watcher.RECHECK_INTERVAL", 0.05)
    fickle, steady, late = tmp_path / "fickle", tmp_path / "steady", tmp_path / "late"
    fickle.mkdir()
    steady.mkdir()

    async def scenario() -> None:
        seen: set[str] = set()

        async def collect(watcher: Watcher) -> None:
            async for batch in watcher:
                seen.update(change.path for change in batch)

        async def changed(file: Path) -> None:
            file.touch()
            await until(lambda: str(file) in seen)

        async with Watcher(same(fickle, steady, late)) as watcher, asyncio.timeout(PATIENCE):
            collecting = asyncio.create_task(collect(watcher))
            (fickle / "below").mkdir()
            await changed(fickle / "below" / "a")
            shutil.rmtree(fickle)
            await changed(steady / "b")
            (fickle / "below").mkdir(parents=True)
            await changed(fickle / "below" / "c")
            fickle.rename(tmp_path / "away")
            await changed(steady / "d")
            fickle.mkdir()
            await changed(fickle / "e")
            late.mkdir()
            await changed(late / "f")
            await watcher.remove(Shared(str(late), str(late)))
            await watcher.add(Shared(str(tmp_path / "away"), str(tmp_path / "away")))
            await changed(tmp_path / "away" / "g")
            collecting.cancel()
            await asyncio.wait([collecting])

    asyncio.run(scenario())
