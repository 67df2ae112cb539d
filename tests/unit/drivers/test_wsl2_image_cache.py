# SPDX-License-Identifier: GPL-3.0-or-later
"""An image is sent to another machine once. A damaged copy there is noticed, and nobody meets half a one."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, BinaryIO

import pytest
from support.wsl import store
from support.wsl.faults import Fault, plan
from support.wsl.rounds import Windows, assert_whole, running_windows

from callao.drivers.wsl2.carrier import Remote, save
from callao.drivers.wsl2.command_line import Shell
from callao.drivers.wsl2.distribution import Distribution
from callao.drivers.wsl2.interop import Interop
from callao.errors import DriverError

TESTS = Path(__file__).parents[2]
CARRIER = Remote(
    "win", (sys.executable, "-P", "-S", "-m", "support.windows.session", "cmd"), Shell.CMD, "C:\\callao"
)


class Sent(Interop):
    """Counts the images that are sent."""

    number = 0

    def tar(self, rootfs: BinaryIO) -> AbstractContextManager[tuple[str, IO[bytes] | bytes]]:
        type(self).number += 1
        return super().tar(rootfs)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[Windows]:
    with running_windows(monkeypatch) as windows:
        monkeypatch.setenv("PYTHONPATH", str(TESTS))
        monkeypatch.setattr(Sent, "number", 0)
        (store.drive() / "callao").mkdir()
        save(windows.homes / "a", CARRIER)
        yield windows


def made(windows: Windows, name: str) -> Distribution:
    paths = windows.instance(name)
    distribution = windows.distribution(paths, Sent(CARRIER))
    distribution.prepare()
    assert_whole(paths)
    return distribution


def copies() -> list[Path]:
    return sorted((store.drive() / "callao").glob("image-*.tar"))


def test_a_second_instance_of_an_image_is_made_without_sending_it(windows: Windows) -> None:
    made(windows, "one")
    assert (Sent.number, len(copies())) == (1, 1)
    root = store.Entry("lima-one", "").root
    (root / "later").touch()
    made(windows, "two")
    assert (Sent.number, len(copies())) == (1, 1)
    assert not (store.Entry("lima-two", "").root / "later").exists()


@pytest.mark.parametrize("damage", ["changed", "cut off", "removed"])
def test_a_damaged_copy_is_noticed_and_the_image_is_sent_again(windows: Windows, damage: str) -> None:
    made(windows, "one")
    (copy,) = copies()
    if damage == "removed":
        copy.unlink()
    else:
        data = copy.read_bytes()
        copy.write_bytes(data[:-5000] if damage == "cut off" else data[:600] + b"x" + data[601:])
    made(windows, "two")
    assert Sent.number == 2
    (fresh,) = copies()
    assert fresh != copy
    made(windows, "three")
    assert Sent.number == 2


def test_without_a_distribution_to_verify_it_the_image_is_sent_again(windows: Windows) -> None:
    one = made(windows, "one")
    one.release()
    shutil.rmtree(one.paths.dir)
    made(windows, "two")
    assert (Sent.number, len(copies())) == (2, 1)


def test_what_an_instance_has_made_is_no_image(windows: Windows) -> None:
    one = made(windows, "one")
    other = windows.instance("copy")
    one.export(other.disk)
    windows.distribution(other, Sent(CARRIER)).prepare()
    assert len(copies()) == 1


def test_two_runs_at_once_meet_no_half_copy(windows: Windows) -> None:
    made(windows, "one")
    threads = [threading.Thread(target=made, args=(windows, name)) for name in ("two", "three")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert Sent.number == 1
    assert sorted(each.name for each in store.entries()) == ["lima-one", "lima-three", "lima-two"]


@pytest.mark.parametrize("call", [3, 5])
def test_a_copy_that_cannot_be_made_costs_no_instance(windows: Windows, call: int) -> None:
    paths = windows.instance("one")
    plan(windows.state, {call: Fault.SILENT})
    distribution = windows.distribution(paths, Sent(CARRIER))
    try:
        distribution.prepare()
    except DriverError:
        plan(windows.state, {})
        distribution.prepare()
    assert_whole(paths)
    plan(windows.state, {})
    made(windows, "two")


def test_nothing_is_kept_where_the_engine_is_on_that_windows(windows: Windows) -> None:
    assert windows.distribution(windows.instance("one")).cache() is None
