# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down of a saved state, and how it is found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from callao.errors import ConfigError, SnapshotError
from callao.instances import InstancePaths
from callao.instances.records import write_json
from callao.snapshots import (
    Snapshot,
    check_snapshot_name,
    command_line_differences,
    find,
    list_snapshots,
    size,
)

WORDS = ("-version", "7.2", "-smp", "2", "-device", "a", "-device", "b", "-nodefaults")


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (WORDS, ""),
        (("-version", "8.0", *WORDS[2:]), "-version was 7.2 and is 8.0"),
        (("-version", "7.2", "-smp", "4", *WORDS[4:]), "-smp was 2 and is 4"),
        (WORDS[:6] + WORDS[8:], "-device was b and is fewer or none"),
        ((*WORDS, "-device", "c"), "-device was fewer or none and is c"),
        ((*WORDS, "-device", "b"), "-device was fewer or none and is fewer or none"),
    ],
)
def test_what_differs_is_told_by_option(now: tuple[str, ...], told: str) -> None:
    assert command_line_differences(WORDS, now) == told


@pytest.mark.parametrize("name", ["a", "pristine", "v1.2-rc_3", "x" * 64])
def test_names_that_can_be(name: str) -> None:
    check_snapshot_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "a/b", "-a", "a-", "a b", "ü", "x" * 65, "a\n"])
def test_names_that_cannot(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a snapshot's name"):
        check_snapshot_name(name)


@pytest.fixture
def paths(tmp_path: Path) -> InstancePaths:
    made = InstancePaths(tmp_path / "web")
    for index, name in enumerate(("second", "first")):
        (made.snapshots / name).mkdir(parents=True)
        layer = f"disk.{2 - index}"
        (made.dir / layer).write_bytes(b"x" * 8192)
        (made.snapshots / name / "memory").write_bytes(b"y" * 4096)
        write_json(
            made.snapshots / name / "snapshot.json", Snapshot(name=name, layer=layer, created=2.0 - index)
        )
    (made.snapshots / ".half.new").mkdir()
    (made.snapshots / "torn").mkdir()
    (made.snapshots / "torn" / "snapshot.json").write_text("{")
    return made


def test_they_are_listed_by_age_and_what_is_none_is_left_out(paths: InstancePaths) -> None:
    assert [each.name for each in list_snapshots(paths)] == ["first", "second"]
    assert find(paths, "second").layer == "disk.2"
    assert list_snapshots(InstancePaths(paths.dir / "none")) == []


def test_one_that_is_not_there_is_told_with_those_that_are(paths: InstancePaths) -> None:
    with pytest.raises(SnapshotError, match=r"'web' has no snapshot 'third' \(there are: first, second\)"):
        find(paths, "third")


def test_its_size_is_its_memory_and_its_layer(paths: InstancePaths) -> None:
    assert size(paths, find(paths, "first")) >= 12288
    (paths.dir / "disk.1").unlink()
    assert size(paths, find(paths, "first")) >= 4096
