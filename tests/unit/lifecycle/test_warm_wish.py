# SPDX-License-Identifier: GPL-3.0-or-later
"""Who says whether a new instance is warm, what is told beforehand, and how large its cache may become."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callao.config import Config, effective
from callao.errors import CallaoError, DriverError
from callao.events import Event, EventState, silent
from callao.host import Host, HostUser
from callao.instances import fingerprint
from callao.instances.effects import Effect, effect_of
from callao.lifecycle import Request, ensure
from callao.lifecycle.warm import limit
from callao.lifecycle.warm.limit import max_cache_size, trim_cache

HOST = Host("linux", "x86_64", 4, 8 * 2**30, HostUser("ann", 1000, "Ann", "/home/ann"), "Europe/Lisbon")
DOCUMENT = {
    "images": [{"location": "/img.qcow2"}], "vmType": "qemu", "firmware": {"legacyBIOS": True},
    "containerd": {"user": False},
}  # fmt: skip


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="w-", dir="/tmp") as folder:
        yield Path(folder)


def config(**extra: Any) -> Config:
    return effective({**DOCUMENT, **extra}, HOST, name="web", instance_dir=Path("/h/web"))


@pytest.mark.parametrize(
    ("asked", "said", "is_warm"),
    [
        (None, None, False),
        (None, True, True),
        (None, False, False),
        (True, None, True),
        (True, False, True),
        (False, True, False),
    ],
)
def test_who_asks_goes_before_lima_yaml(asked: bool | None, said: bool | None, is_warm: bool) -> None:
    assert Request(name="web", warm=asked).is_warm(config(warm=said)) == is_warm


def test_an_instance_that_exists_does_not_notice_it() -> None:
    assert effect_of("warm") is Effect.AT_CREATE
    assert fingerprint(config(warm=True)) == fingerprint(config())


def told(home: Path, **request: Any) -> str:
    wish = Request(name="web", document=DOCUMENT, **request)
    return " ".join(ensure(wish, home=home, host=HOST, check=True, report=silent).notices)


def test_one_that_is_only_made_is_told_that_it_will_boot(home: Path) -> None:
    assert "it will boot" in told(home, state="present", warm=True)
    assert "it will boot" in told(home, state="present", config={"warm": True})
    assert told(home, state="started", warm=True) == ""
    assert told(home, state="present") == ""


@pytest.mark.parametrize(
    ("said", "size"),
    [(None, 20 * 2**30), ("", 20 * 2**30), ("1.5GiB", 3 * 2**29), ("0", 0), ("10MB", 10 * 2**20)],
)
def test_the_size_is_written_as_in_lima_yaml(
    monkeypatch: pytest.MonkeyPatch, said: str | None, size: int
) -> None:
    monkeypatch.delenv("CALLAO_WARM_CACHE_SIZE", raising=False)
    if said is not None:
        monkeypatch.setenv("CALLAO_WARM_CACHE_SIZE", said)
    assert max_cache_size() == size


def test_a_size_that_is_none_is_told_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("CALLAO_WARM_CACHE_SIZE", "much")
    with pytest.raises(
        CallaoError, match=r"CALLAO_WARM_CACHE_SIZE: 'much' is no size \(allowed: a size such"
    ):
        told(home, warm=True)
    assert told(home, warm=False) == ""


def test_a_cache_that_cannot_be_trimmed_is_told_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    def fail(*_arguments: object) -> None:
        raise DriverError("disk x is no qcow2.")

    monkeypatch.setattr(limit, "trim", fail)
    events: list[Event] = []
    trim_cache(home, events.append)
    (event,) = events
    assert (event.state, "disk x is no qcow2" in event.message) == (EventState.NOTICE, True)


def test_what_saves_a_machine_is_not_loaded_to_go_on_from_one() -> None:
    program = (
        "import sys, callao.lifecycle.warm.create; print('callao.hostagent.api.save_api' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
