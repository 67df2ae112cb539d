# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that a test has the stand-in make, once each: at the call with a number, from the plan on."""

from __future__ import annotations

import contextlib
import enum
import fcntl
import json
import os
import signal
import time
from pathlib import Path

from support.wsl import store


class Fault(enum.StrEnum):
    CUT = "cut"
    """The program's own output ends in the middle of a unit of UTF-16."""
    GARBAGE = "garbage"
    """It is bytes that are no text."""
    FLOOD = "flood"
    """It does not end."""
    SILENT = "silent"
    """The program fails without a word."""
    HANG = "hang"
    """The program does not end."""
    LATE_HANG = "late-hang"
    """It does what it is asked to, and does not end."""
    DENIED = "denied"
    VANISH = "vanish"
    """Another program unregisters the distribution, before this one looks for it."""
    DIES = "dies"
    """The program is killed in the middle of what it does."""
    TWIN = "twin"
    """Another program has just imported a distribution of the same name."""


def plan(state: Path, faults: dict[int, Fault]) -> None:
    """By the number of the call, from 0."""
    (state / "faults.json").write_text(
        json.dumps({"next": 0, "faults": {str(key): str(value) for key, value in faults.items()}})
    )


def calls(state: Path) -> int:
    """How many there were since the plan."""
    return int(json.loads((state / "faults.json").read_text())["next"])


def end_calls(state: Path) -> None:
    """End what still runs of the calls: a client that has given up does not end its call at once."""
    for path in list(_running(state).iterdir()):
        pid, started = (int(each) for each in path.name.split("-"))
        while store.start_time(pid) == started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)
        path.unlink()


def _running(state: Path) -> Path:
    """A folder with a file for each call, of its process."""
    path = state / "running"
    path.mkdir(exist_ok=True)
    return path


def next_fault() -> Fault | None:
    path = store.state_folder() / "faults.json"
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    pid = os.getpid()
    (_running(path.parent) / f"{pid}-{store.start_time(pid)}").touch()
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        plan_ = json.loads(os.read(file, 1 << 16))
        number = plan_["next"]
        plan_["next"] = number + 1
        data = json.dumps(plan_).encode()
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, data)
        os.ftruncate(file, len(data))
    finally:
        os.close(file)
    found = plan_["faults"].get(str(number))
    return Fault(found) if found else None
