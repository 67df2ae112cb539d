# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's program as a process of its own, fed by hand."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from inotify.spy import WRITTEN, Spy

from callao.inotify import guest_command
from callao.inotify.guest import open_below


def entry(name: str, path: Path) -> list[object]:
    state = path.lstat()
    return [name, state.st_mode, state.st_mtime_ns, state.st_atime_ns]


def served(*batches: dict[str, list[list[object]]], file_systems: tuple[str, ...] = ("*",)) -> None:
    """Run the program on batches until it has done them all."""
    lines = [json.dumps({"id": number, "changes": batch}) for number, batch in enumerate(batches)]
    done = subprocess.run(
        ["sh", "-c", guest_command(sys.executable, file_systems)],
        input="".join(line + "\n" for line in lines).encode(),
        env={"LC_ALL": "C"},
        capture_output=True,
        check=True,
        timeout=20,
    )
    assert done.stderr == b""
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"done": n} for n in range(len(batches))
    ]


def test_a_touch_is_seen_and_alters_nothing(tmp_path: Path) -> None:
    file = tmp_path / "below" / "file"
    file.parent.mkdir()
    file.write_text("content")
    os.utime(file, ns=(1_000_000_001, 1_600_000_000_123_456_789))
    before = file.stat()
    with Spy(file.parent) as spy:
        served({str(tmp_path): [entry("below/file", file), entry("below", file.parent)]})
        spy.look()
        assert spy.of(file) == WRITTEN
        assert spy.of(file.parent) == {"ATTRIB"}
    after = file.stat()
    assert file.read_text() == "content"
    for field in ("st_mtime_ns", "st_atime_ns", "st_mode", "st_size", "st_ino"):
        assert getattr(after, field) == getattr(before, field)


def test_a_program_is_not_opened_for_writing(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.touch()
    file.chmod(0o755)
    with Spy(tmp_path) as spy:
        served({str(tmp_path): [entry("program", file)]})
        spy.look()
        assert spy.of(file) == {"ATTRIB", "MODIFY"}


def test_a_file_newer_than_the_host_s_report_keeps_its_time(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    late = entry("file", file)
    newer = file.stat().st_mtime_ns + 5
    os.utime(file, ns=(0, newer))
    with Spy(tmp_path) as spy:
        served({str(tmp_path): [late]})
        spy.look()
        assert spy.of(file) == {"ATTRIB", "OPEN", "CLOSE_WRITE"}
    assert file.stat().st_mtime_ns == newer


def test_symlinks_are_touched_themselves_and_never_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "file").touch()
    (inside / "folder").symlink_to(outside)
    (inside / "link").symlink_to(outside / "file")
    target = outside / "file"
    with Spy(outside, inside) as spy:
        served(
            {
                str(inside): [
                    entry("link", inside / "link"),
                    entry("link", target),
                    entry("folder/file", target),
                    entry("../outside/file", target),
                ]
            }
        )
        spy.look()
        assert spy.of(target) == set()
        assert "ATTRIB" in spy.of(inside / "link")


def test_what_is_gone_or_not_mounted_or_strange_ends_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    with Spy(tmp_path) as spy:
        served(
            {str(tmp_path / "nowhere"): [["file"]]},
            {str(tmp_path): [["gone"], entry("gone", tmp_path), entry("fifo", tmp_path / "fifo"), ["a\0b"]]},
            {str(tmp_path): [["file", "what", 1, 2], entry("file/x", tmp_path)]},
            {str(tmp_path): [entry("file", tmp_path / "file")]},
        )
        spy.look()
        assert "ATTRIB" in spy.of(tmp_path / "file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "file"]


def test_nothing_is_touched_outside_shared_file_systems(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Spy(tmp_path) as spy:
        served({str(tmp_path): [entry("file", tmp_path / "file")]}, file_systems=())
        spy.look()
        assert not spy.seen


@pytest.mark.parametrize("name", ["ñandú 日本", "new\nline", os.fsdecode(b"\xff\xfe")])
def test_any_name_is_touched_even_in_the_c_locale(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with Spy(tmp_path) as spy:
        served({str(tmp_path): [entry(name, tmp_path / name)]})
        spy.look()
        assert spy.of(tmp_path / name) == WRITTEN


def test_descriptors_are_closed_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    root = os.open(tmp_path, os.O_PATH)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="gone"):
        open_below(root, b"a/gone")
    with pytest.raises(ValueError, match=r"\.\."):
        open_below(root, b"a/../a")
    inner = open_below(root, b"a//b/")
    assert stat.S_ISDIR(os.fstat(inner).st_mode)
    os.close(inner)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    os.close(root)


def test_it_compiles_for_the_oldest_python() -> None:
    import ast

    from callao.inotify import guest

    assert ast.parse(Path(guest.__file__).read_text(), feature_version=(3, 6))
