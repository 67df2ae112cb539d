# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of machines that are ready to go: kept whole, dropped by age, never from under an instance."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from callao.instances import MachineLayout
from callao.snapshots import RequiredMachine
from callao.snapshots.warm_cache import WarmEntry, WarmRecord, size, trim

ENTRY = WarmRecord(
    machine=RequiredMachine(arguments=("-smp", "2"), layout=MachineLayout(8, reclaims=False)),
    mac_address="52:55:55:00:00:01",
    image="/i",
)
MIB = 2**20


def kept(home: Path, key: str, age: float) -> WarmEntry:
    place = WarmEntry(home, key)
    with place.lock(1.0):
        staging = place.folder.with_name(f".{key}.new")
        staging.mkdir()
        (staging / "disk").write_bytes(b"x" * MIB)
        place.commit(staging, ENTRY)
    os.utime(place.folder, (age, age))
    return place


def gone(home: Path, limit: int, *used: Path) -> list[Path]:
    return list(trim(home, limit, lambda: used).paths)


def test_what_was_kept_is_there_for_all(tmp_path: Path) -> None:
    assert WarmEntry(tmp_path, "a").record() is None
    place = kept(tmp_path, "a", 1)
    assert place.record() == ENTRY
    assert place.disk.stat().st_size == MIB


@pytest.mark.parametrize("stands_on_it", [True, False])
def test_one_that_cannot_be_read_is_replaced_unless_somebody_stands_on_it(
    tmp_path: Path, stands_on_it: bool
) -> None:
    place = kept(tmp_path, "a", 1)
    (place.folder / "warm.json").write_text("{}")  # as of another version
    assert place.record() is None
    with place.lock(1.0):
        assert place.remove_if_unused(lambda: [place.disk] if stands_on_it else []) is not stands_on_it
    assert place.disk.exists() is stands_on_it
    if not stands_on_it:
        assert kept(tmp_path, "a", 2).record() == ENTRY


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    old, young, middle = (kept(tmp_path, key, age) for key, age in (("a", 1), ("b", 3), ("c", 2)))
    assert gone(tmp_path, 10 * MIB) == []
    assert gone(tmp_path, 2 * size(young.folder)) == [old.folder]
    young.touch()
    assert gone(tmp_path, 0) == [middle.folder, young.folder]
    assert gone(tmp_path, 0) == []


def test_what_an_instance_stands_on_stays(tmp_path: Path) -> None:
    old, young = kept(tmp_path, "a", 1), kept(tmp_path, "b", 2)
    assert gone(tmp_path, 0, old.disk) == [young.folder]
    assert old.record() == ENTRY


def test_what_an_instance_came_to_stand_on_meanwhile_stays(tmp_path: Path) -> None:
    old = kept(tmp_path, "a", 1)
    made: list[Path] = []

    def used() -> list[Path]:
        made.append(old.disk)
        return made

    assert trim(tmp_path, 0, used).paths == ()
    assert old.record() == ENTRY


def test_what_went_is_counted(tmp_path: Path) -> None:
    held = size(kept(tmp_path, "a", 1).folder)
    assert held >= MIB
    assert trim(tmp_path, 0, tuple).size == held


def test_a_cache_of_another_home_is_left_alone(tmp_path: Path) -> None:
    place = kept(tmp_path / "theirs", "a", 1)
    (tmp_path / "ours" / "_cache").mkdir(parents=True)
    (tmp_path / "ours" / "_cache" / "warm").symlink_to(tmp_path / "theirs" / "_cache" / "warm")
    assert gone(tmp_path / "ours", 0) == []
    assert place.record() == ENTRY


def test_what_another_run_is_at_stays(tmp_path: Path) -> None:
    place = kept(tmp_path, "a", 1)
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with place.lock(1.0):
            inside.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait(10)
    try:
        assert gone(tmp_path, 0) == []
        with pytest.raises(TimeoutError, match="another run prepares the same machine"), place.lock(0.1):
            pass
    finally:
        leave.set()
        holder.join()
    assert gone(tmp_path, 0) == [place.folder]
