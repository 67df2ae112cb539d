# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are replaced as a whole or not at all, also where the power fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from callao.atomic import (
    Durability,
    make_file,
    put_folder_in_place,
    put_in_place,
    replacing,
    write_file,
    write_volatile,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("old")
    return tmp_path / "folder" / "file"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is flushed and renamed, in order; it is done, too."""
    done: list[str] = []
    fsync, rename = os.fsync, os.rename

    def flush(descriptor: int) -> None:
        done.append(f"flush {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", flush)
    for name in ("rename", "replace"):
        monkeypatch.setattr(
            os, name, lambda old, new: (done.append(f"rename {Path(new).name}"), rename(old, new))
        )
    return done


def test_the_content_is_flushed_before_the_rename_and_the_folder_after(path: Path, steps: list[str]) -> None:
    write_file(path, b"new", mode=0o600)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
    assert [step.partition(" ")[0] for step in steps] == ["flush", "rename", "flush"]
    assert (steps[0].startswith("flush .file."), steps[1:]) == (True, ["rename file", "flush folder"])


def test_a_volatile_file_is_replaced_as_a_whole_and_not_flushed(path: Path, steps: list[str]) -> None:
    write_volatile(path, b"new")
    assert (path.read_text(), steps) == ("new", ["rename file"])


def test_what_somebody_else_made_is_flushed_too(path: Path, steps: list[str]) -> None:
    made = path.with_name("made")
    made.write_text("new")
    put_in_place(made, path)
    assert (path.read_text(), steps) == ("new", ["flush made", "rename file", "flush folder"])


def test_a_folder_is_flushed_with_all_that_is_in_it_before_it_has_its_name(
    tmp_path: Path, steps: list[str]
) -> None:
    fresh = tmp_path / "fresh"
    (fresh / "below").mkdir(parents=True)
    (fresh / "below" / "file").touch()
    (fresh / "dangling").symlink_to("nowhere")
    put_folder_in_place(fresh, tmp_path / "place")
    assert sorted(steps[:3]) == ["flush below", "flush file", "flush fresh"]
    assert steps[2:] == ["flush fresh", "rename place", f"flush {tmp_path.name}"]


def test_when_it_cannot_be_made_the_old_one_stays_and_nothing_is_beside_it(path: Path) -> None:
    def fails(fresh: Path) -> None:
        fresh.write_text("half")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        make_file(path, fails)
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_of_a_write_names_the_file(path: Path) -> None:
    with pytest.raises(OSError, match="file") as caught, replacing(path), open("/dev/full", "wb", 0) as full:  # noqa: PTH123
        full.write(b"x")
    assert caught.value.filename == str(path)


def test_two_that_write_one_file_at_once_do_not_meet(path: Path) -> None:
    with replacing(path, Durability.REBOOT_ENDS_IT) as first, replacing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_a_symbolic_link_is_replaced_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to("one")
    with replacing(path, Durability.REBOOT_ENDS_IT) as fresh:
        fresh.symlink_to("two")
    assert path.readlink() == Path("two")
