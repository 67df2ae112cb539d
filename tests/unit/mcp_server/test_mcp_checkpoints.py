# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: before which calls they are made, what differs since, and the way back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mcp_server.conftest import Put, Tools

from callao.mcp.checkpoints import listing
from callao.mcp.checkpoints.checkpoints import BATCH, KEPT, Checkpoints
from callao.mcp.checkpoints.claim import claims
from callao.mcp.checkpoints.discard import main as discard
from callao.mcp.checkpoints.store import Store
from callao.mcp.checkpoints.tools import with_checkpoints
from callao.mcp.toolbox import Toolbox
from callao.mcp.workspace import ToolFailure, Workspace


@dataclass
class Recorder:
    """What a machine is asked for."""

    log: list[str] = field(default_factory=list)
    refusal: str = ""

    async def take(self, tag: str) -> None:
        if self.refusal:
            raise ToolFailure(self.refusal)
        self.log.append(f"take {tag}")

    async def apply(self, tag: str) -> None:
        self.log.append(f"apply {tag}")

    def discard(self, tags: Sequence[str]) -> None:
        self.log += [f"delete {tag}" for tag in tags]

    async def disconnect(self) -> None:
        self.log.append("disconnect")


@dataclass
class Kept:
    """The tools with checkpoints; the clock is the test's."""

    tools: Tools
    machine: Recorder
    checkpoints: Checkpoints
    clock: list[float]
    notices: list[str] = field(default_factory=list)

    def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]:
        async def called() -> dict[str, Any]:
            workspace = Workspace((str(self.tools.root),), str(self.tools.root))
            box = Toolbox(workspace, self.tools.connection, self.tools.limits)
            tools = with_checkpoints(box.tools(), self.checkpoints)
            run = next(each.run for each in tools if each.tool.name == tool)
            result, self.notices = await run(arguments)
            return result

        return self.tools.wait(called())

    def write(self, name: str, content: str) -> None:
        self("write_file", path=f"{self.tools.root}/{name}", content=content)

    def pause(self) -> None:
        """Let a batch end."""
        self.clock[0] += BATCH + 1

    def changes(self, checkpoint: str | None = None) -> dict[str, str]:
        found = self("diff", checkpoint=checkpoint)["changes"]
        return {each["path"].removeprefix(f"{self.tools.root}/"): each["change"] for each in found}


@pytest.fixture
def kept(tools: Tools, tmp_path: Path) -> Kept:
    machine, clock = Recorder(), [0.0]
    store = Store(tmp_path / "store")
    checkpoints = Checkpoints((tools.root,), store, machine, machine.disconnect, now=lambda: clock[0])
    return Kept(tools, machine, checkpoints, clock)


def tree(root: Path) -> dict[str, object]:
    """All that a reader sees of a directory."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content: object = None
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = (path.read_bytes(), status.st_mtime_ns, stat.S_IMODE(status.st_mode))
        found[str(path.relative_to(root))] = content
    return found


def test_undo_restores_the_files_as_they_were(kept: Kept, put: Put) -> None:
    root = kept.tools.root
    put("kept", "same")
    put("edited", "old").chmod(0o751)
    put("removed/deep/file", "gone")
    put("becomes/directory", "x")
    (root / "link").symlink_to("kept")
    before = tree(root)
    script = (
        "echo new > edited; chmod 600 edited; rm -r removed; echo x > added;"
        "mkdir -p more/sub; echo y > more/sub/z;"
        "rm -r becomes; echo file > becomes; ln -sfn edited link; rm kept; mkdir kept; echo a > kept/b"
    )
    kept("run_shell_command", command=["sh", "-c", script], directory=str(root))
    assert kept.changes() == {
        "added": "added",
        "becomes": "changed",
        "becomes/directory": "removed",
        "edited": "changed",
        "kept": "changed",
        "kept/b": "added",
        "link": "changed",
        "more": "added",
        "more/sub": "added",
        "more/sub/z": "added",
        "removed": "removed",
        "removed/deep": "removed",
        "removed/deep/file": "removed",
    }
    undone = kept("undo")
    assert len(undone["restored"]) == 13
    assert tree(root) == before
    assert kept.changes() == {}
    assert kept.machine.log == ["take mcp-1", "disconnect", "apply mcp-1"]


def test_a_checkpoint_is_made_before_each_batch_of_changes(kept: Kept) -> None:
    kept("list_directory", path=str(kept.tools.root))
    assert kept.checkpoints.made == []
    kept.write("a", "1")
    kept.write("b", "1")
    assert [each.name for each in kept.checkpoints.made] == ["auto-1"]
    kept.pause()
    kept.write("a", "2")
    assert [each.name for each in kept.checkpoints.made] == ["auto-1", "auto-2"]
    assert kept.changes() == {"a": "changed"}
    assert kept.changes("auto-1") == {"a": "added", "b": "added"}
    kept("undo", checkpoint="auto-2")
    assert (kept.tools.root / "a").read_text() == "1"
    kept("undo", checkpoint="auto-1")
    assert list(kept.tools.root.iterdir()) == []


def test_a_checkpoint_by_name(kept: Kept, put: Put) -> None:
    put("file", "text")
    made = kept("checkpoint", name="good")
    assert (made["checkpoint"], made["files"], made["machine"]) == ("good", 1, True)
    with pytest.raises(ToolFailure, match="'good' already"):
        kept("checkpoint", name="good")
    with pytest.raises(ToolFailure, match=r"no 'bad' \(allowed: good\)"):
        kept("undo", checkpoint="bad")


def test_a_change_right_after_a_checkpoint_begins_no_other(kept: Kept) -> None:
    kept.write("a", "1")
    kept.pause()
    kept("checkpoint", name="good")
    kept.write("a", "2")
    assert [each.name for each in kept.checkpoints.made] == ["auto-1", "good"]
    kept("checkpoint", name="later")
    kept.pause()  # programs in the background may have changed something
    kept.write("a", "3")
    assert [each.name for each in kept.checkpoints.made][2:] == ["later", "auto-4"]


def test_without_a_checkpoint_there_is_nothing_to_undo(kept: Kept) -> None:
    for tool in ("undo", "diff"):
        with pytest.raises(ToolFailure, match="no checkpoint yet"):
            kept(tool)


def test_old_checkpoints_and_their_files_go(kept: Kept, put: Put) -> None:
    for number in range(KEPT + 3):
        put("file", f"content {number}")
        kept("checkpoint")
    assert len(kept.checkpoints.made) == KEPT
    assert len(list(kept.checkpoints.store.folder.iterdir())) == KEPT
    assert kept.machine.log[-1] == "delete mcp-3"


def test_a_machine_that_cannot_be_saved_is_said_and_files_are_kept(kept: Kept, put: Put) -> None:
    put("file", "old")
    kept.machine.refusal = "a directory is in use"
    kept.write("file", "new")
    assert kept.notices == ["the checkpoint auto-1 has no machine: a directory is in use"]
    kept("undo")
    assert kept.notices == ["only files of the shared directories were restored, not the machine"]
    assert (kept.tools.root / "file").read_text() == "old"


def test_an_unchanged_file_is_not_read_again(kept: Kept, put: Put) -> None:
    put("file", "text")
    os.utime(kept.tools.root / "file", (1, 1))
    kept("checkpoint")
    first = kept.checkpoints.made[0].listings[kept.tools.root]
    later = first._replace(taken=first.taken + 10**9)
    kept.checkpoints.made[0].listings[kept.tools.root] = later
    for file in kept.checkpoints.store.folder.iterdir():
        file.write_text("kept from the first time")
    kept("checkpoint")
    assert [each.read_text() for each in kept.checkpoints.store.folder.iterdir()] == [
        "kept from the first time"
    ]


def test_neither_listing_nor_undo_leaves_the_share(kept: Kept, put: Put) -> None:
    root, outside = kept.tools.root, kept.tools.root.parent / "outside"
    put("folder/file", "mine")
    kept("checkpoint", name="start")
    (root / "folder" / "file").unlink()
    (root / "folder").rmdir()
    (root / "folder").symlink_to(outside)
    (root / "hard").symlink_to(outside / "secret")
    os.mkfifo(root / "pipe")
    assert kept.changes("start") == {"folder": "changed", "folder/file": "removed", "hard": "added"}
    kept("undo", checkpoint="start")
    assert (root / "folder" / "file").read_text() == "mine"
    assert [each.name for each in outside.iterdir()] == ["secret"]


def change_all(folder: Path) -> None:
    """Write to the files of a directory that may become a link meanwhile, and never through that."""
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name in os.listdir(top):  # noqa: PTH208 (of an open directory)
            file = os.open(name, os.O_WRONLY | os.O_TRUNC, dir_fd=top)
            os.write(file, b"changed")
            os.close(file)
    finally:
        os.close(top)


def test_a_directory_that_becomes_a_link_during_undo_is_not_written_through(kept: Kept, put: Put) -> None:
    root, outside = kept.tools.root, kept.tools.root.parent / "outside"
    for number in range(50):
        put(f"folder/{number}", "mine")
    kept("checkpoint", name="start")
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            try:
                (root / "folder").rename(root / "away")
                (root / "folder").symlink_to(outside)
                (root / "folder").unlink()
                (root / "away").rename(root / "folder")
            except OSError:
                (root / "folder").is_symlink() and (root / "folder").unlink()

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(5):
            with contextlib.suppress(OSError):  # it is a link just now
                change_all(root / "folder")
            kept("undo", checkpoint="start")
    except OSError:
        pass
    finally:
        done.set()
        thread.join()
    assert [each.name for each in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_text() == "secret\n"


def test_what_could_not_be_kept_is_never_removed(
    kept: Kept, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MAX_FILE", 10)
    monkeypatch.setattr(listing, "MAX_READ", 20)
    monkeypatch.setattr(listing, "MAX_DEPTH", 2)
    root = kept.tools.root
    put("large", "x" * 11)
    for name in "abc":
        put(name, f"{name}23456789")
    put("deep/er/file", "x")
    kept("checkpoint", name="start")
    assert kept.notices == [
        f"3 entries in {root} are not kept, as they are too large or not readable: c, deep/er, large"
    ]
    put("large", "y" * 12)
    put("a", "changed")
    assert kept.changes("start") == {"a": "changed", "large": "changed"}
    monkeypatch.undo()  # a directory that can be listed now must not be taken for a new one
    kept("undo", checkpoint="start")
    assert (root / "a").read_text() == "a23456789"
    assert kept.notices == [f"2 entries in {root} could not be restored: c, large"]
    assert (root / "large").read_text() == "y" * 12
    assert (root / "c").read_text() == "c23456789"
    assert (root / "deep" / "er" / "file").read_text() == "x"


def test_a_full_disk_is_an_error_and_nothing_is_changed(
    kept: Kept, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("file", "text")
    kept.checkpoints.store.folder.rmdir()
    with pytest.raises(ToolFailure, match=r"no checkpoint: .*: a file cannot be kept: No such file"):
        kept.write("file", "new")
    assert (kept.tools.root / "file").read_text() == "text"
    kept.checkpoints.store.folder.mkdir()
    kept.write("file", "new")
    assert (kept.tools.root / "file").read_text() == "new"


def test_odd_names_of_a_guest_are_listed_and_restored(kept: Kept) -> None:
    root = os.fsencode(kept.tools.root)
    names = [b"\xff\xfe", b"\x1b[2Jgone", b"n" * 255, "💡".encode()]
    kept("checkpoint", name="start")
    for name in names:
        Path(os.fsdecode(root + b"/" + name)).write_text("x")
    assert sorted(kept.changes()) == sorted(["\ufffd\ufffd", "gone", "n" * 255, "💡"])
    kept("undo")
    assert os.listdir(root) == []  # noqa: PTH208 - bytes


def test_too_many_or_too_long_names_are_refused(
    kept: Kept, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("some/where", "x")
    for limit in ("MAX_ENTRIES", "MAX_NAMES"):
        with monkeypatch.context() as patch:
            patch.setattr(listing, limit, 1)
            with pytest.raises(ToolFailure, match="no checkpoint can be made"):
                kept("checkpoint")


class LongStep:
    """A step of the machine, which has not ended before ``go_on``."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self._begun = asyncio.Event()

    async def __call__(self, _tag: str) -> None:
        self._begun.set()
        await self.go_on.wait()

    async def cancel(self, call: Coroutine[Any, Any, object]) -> None:
        """Cancel the call that takes the step, in the midst of it."""
        task = asyncio.create_task(call)
        await self._begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_an_undo_goes_on_to_its_end_where_the_call_is_cancelled(kept: Kept, put: Put) -> None:
    put("file", "old")
    kept("checkpoint", name="start")
    put("file", "new")
    apply = kept.machine.apply = LongStep()  # type: ignore[method-assign]

    async def cancelled() -> None:
        await apply.cancel(kept.checkpoints.undo("start"))
        apply.go_on.set()
        await kept.checkpoints.close()

    kept.tools.wait(cancelled())
    assert (kept.tools.root / "file").read_text() == "old"


def test_a_checkpoint_goes_on_to_its_end_and_the_cancelled_change_is_not_made(kept: Kept) -> None:
    take = kept.machine.take = LongStep()  # type: ignore[method-assign]

    async def cancelled() -> None:
        await take.cancel(kept.checkpoints.before_change())
        assert kept.checkpoints.made == []
        take.go_on.set()
        await kept.checkpoints.close()

    kept.tools.wait(cancelled())
    assert [each.tag for each in kept.checkpoints.made] == ["mcp-1"]
    assert kept.checkpoints.running == 0


def test_a_server_that_was_killed_is_cleaned_up_after_and_one_that_runs_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "box" / "checkpoints"
    folder.parent.mkdir()
    script = (
        "import sys, pathlib; from callao.mcp.checkpoints.claim import new_claim\n"
        "claim = new_claim(pathlib.Path(sys.argv[1])); claim.files.mkdir()\n"
        "print(claim.path, flush=True); sys.stdin.read()"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", script, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    path = Path(server.stdout.readline().strip())
    assert claims(folder) == [path]
    discard("claim", tmp_path, "box", [str(path)])
    assert path.exists()
    server.kill()
    server.communicate()
    discard("claim", tmp_path, "box", [str(path)])
    assert claims(folder) == []
    discard("claim", tmp_path, "box", [str(path)])
