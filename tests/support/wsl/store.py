# SPDX-License-Identifier: GPL-3.0-or-later
"""The registered distributions, which Windows has in the user's registry."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

STATE = "CALLAO_STAND_IN_WSL"
"""The folder of all that this stand-in keeps."""


@dataclass(frozen=True)
class Entry:
    """``pid`` is that of the first process of a running one, ``started`` its start time. ``size`` is
    that of the disk in bytes."""

    name: str
    folder: str
    state: str = "Stopped"
    pid: int = 0
    started: int = 0
    size: int = 1 << 40

    @property
    def home(self) -> Path:
        return state_folder() / "distributions" / self.name.lower()

    @property
    def root(self) -> Path:
        return self.home / "root"

    @property
    def sessions(self) -> Path:
        """A file on which each program of Windows in the distribution has a lock."""
        return self.home / "sessions"

    def runs(self) -> bool:
        return self.pid != 0 and start_time(self.pid) == self.started


def state_folder() -> Path:
    return Path(os.environ[STATE])


def drive() -> Path:
    """Drive C:."""
    path = state_folder() / "drives" / "c"
    path.mkdir(parents=True, exist_ok=True)
    return path


PROFILE = "Users/Ana Límã"
"""The user's folder on drive C:, which Windows has in USERPROFILE."""


def profile() -> Path:
    return drive() / PROFILE


def open_file(path: str, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a file of Windows, which must be on drive C:."""
    kind, _, rest = path.partition(":\\")
    assert kind.upper() == "C", path
    return os.open(drive() / rest.replace("\\", "/"), flags, 0o666)


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """WSL's service does one thing at a time."""
    with (state_folder() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def entries() -> list[Entry]:
    try:
        raw = json.loads((state_folder() / "registry.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [Entry(**each) for each in raw]


def find(name: str) -> Entry | None:
    return next((each for each in entries() if each.name.lower() == name.lower()), None)


def put(entry: Entry) -> None:
    """Add or replace an entry; the caller has the lock."""
    others = [each for each in entries() if each.name.lower() != entry.name.lower()]
    before = [each.name.lower() for each in entries()]
    at = before.index(entry.name.lower()) if entry.name.lower() in before else len(others)
    _save([*others[:at], entry, *others[at:]])


def remove(entry: Entry) -> None:
    _save([each for each in entries() if each.name.lower() != entry.name.lower()])
    shutil.rmtree(entry.home, ignore_errors=True)


def stopped(entry: Entry) -> Entry:
    return replace(entry, pid=0, started=0)


def start_time(pid: int) -> int:
    """In ticks since the host has booted, see proc(5); 0 when there is no such process, or only its rest."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def _save(found: list[Entry]) -> None:
    path = state_folder() / "registry.json"
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps([asdict(each) for each in found]), encoding="utf-8")
    fresh.replace(path)
