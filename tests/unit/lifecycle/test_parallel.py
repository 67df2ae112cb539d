# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that change one instance at the same time: what each reports as changed is there after."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from callao.events import Event, EventState
from callao.host import Host
from callao.instances import inspect
from callao.instances.lock import instance_lock
from callao.lifecycle import Request, ensure
from callao.lifecycle.mounts import MountRequest, ensure_mount
from callao.lifecycle.port_forwards import ForwardRequest, ensure_forward

RUNS = 4
FORK = multiprocessing.get_context("fork")
LIMA_YAML = "images: [{location: /nowhere.qcow2}]\nvmType: qemu\narch: x86_64\nmountType: 9p\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "lima.yaml").write_text(LIMA_YAML)
    return tmp_path


def at_once(*each: Callable[[], Any]) -> None:
    """In processes that wait for each other before they begin."""
    begin = FORK.Barrier(len(each))

    def run(change: Callable[[], Any]) -> None:
        begin.wait()
        assert change().changed

    running = [FORK.Process(target=run, args=(change,)) for change in each]
    for process in running:
        process.start()
    for process in running:
        process.join(60)
    assert [process.exitcode for process in running] == [0] * len(each)


def document(home: Path) -> dict[str, Any]:
    return inspect("web", home, Host.detect()).document


def test_mounts_that_persist_at_once_are_all_written(home: Path) -> None:
    host = Host.detect()

    def change(number: int) -> Callable[[], Any]:
        point = f"/srv/{number}"
        wish = MountRequest(instance="web", location=str(home), mount_point=point, persist=True)
        return lambda: ensure_mount(wish, home=home, host=host, check=False)

    at_once(*map(change, range(RUNS)))
    assert sorted(each["mountPoint"] for each in document(home)["mounts"]) == [
        f"/srv/{number}" for number in range(RUNS)
    ]


def test_port_forwards_that_persist_at_once_are_all_written(home: Path) -> None:
    host = Host.detect()

    def change(number: int) -> Callable[[], Any]:
        wish = ForwardRequest(instance="web", rule={"guestPort": 8000 + number}, persist=True)
        return lambda: ensure_forward(wish, home=home, host=host, check=False)

    at_once(*map(change, range(RUNS)))
    assert sorted(each["guestPort"] for each in document(home)["portForwards"]) == [8000, 8001, 8002, 8003]


def test_whoever_waits_for_another_run_is_told_of_it(home: Path) -> None:
    heard: list[Event] = []
    with ThreadPoolExecutor(1) as pool, ExitStack() as held:
        held.enter_context(instance_lock("web", home))

        def hear(event: Event) -> None:
            heard.append(event)
            held.close()

        wish = Request(name="web", state="absent")
        change = pool.submit(ensure, wish, home=home, host=Host.detect(), check=False, report=hear)
        assert change.result(timeout=60).changed
    assert [event.state for event in heard] == [EventState.NOTICE]
    assert re.search(r"'web' is being changed by another run, pid \d+ .*: waiting for it", heard[0].message)
