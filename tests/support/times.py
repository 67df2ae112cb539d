# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the time of a run goes: a table by folder, and by what a test waits for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from support.boots import Boot, Kind

_SHOWN = 0.03
"""A folder of unit tests has a line of its own if it took at least this part of the run."""


@dataclass
class Row:
    """One line of the table."""

    seconds: float = 0.0
    tests: set[str] = field(default_factory=set)
    starts: Counter[Kind] = field(default_factory=Counter)

    def add(self, other: Row) -> None:
        self.seconds += other.seconds
        self.tests |= other.tests
        self.starts += other.starts


def by_test(seconds: dict[str, float], boots: Iterable[Boot]) -> dict[str, Row]:
    """What each test took, with its set-up and its end, and the machines that it started."""
    rows = {test: Row(spent, {test}) for test, spent in seconds.items()}
    for boot in boots:
        if boot.test in rows:
            rows[boot.test].starts[boot.kind] += 1
    return rows


def folder_of(test: str) -> str:
    """As in ``guests/mounts``."""
    return "/".join(test.split("::")[0].split("/")[1:-1])


def kind_of(row: Row, folder: str) -> str:
    """What such a test waits for."""
    for kind in Kind:
        if row.starts[kind]:
            return f"tests with {kind}"
    return "tests in a guest that runs" if folder.startswith("guests") else "pure tests"


def table(rows: dict[str, Row]) -> Iterator[str]:
    """The lines to print."""
    folders: defaultdict[str, Row] = defaultdict(Row)
    kinds: defaultdict[str, Row] = defaultdict(Row)
    whole = Row()
    for test, row in rows.items():
        folder = folder_of(test)
        folders[folder].add(row)
        kinds[kind_of(row, folder)].add(row)
        whole.add(row)
    few = [
        name
        for name, row in folders.items()
        if not name.startswith("guests") and row.seconds < _SHOWN * whole.seconds
    ]
    rest = Row()
    for name in few:
        rest.add(folders.pop(name))
    yield f"{'':<28}{'seconds':>9}{'tests':>7}" + "".join(f"{kind:>13}" for kind in Kind)
    for part in (folders, {"unit, the rest": rest} if few else {}, kinds, {"all": whole}):
        for name, row in sorted(part.items(), key=lambda item: -item[1].seconds):
            starts = "".join(f"{row.starts[kind] or '':>13}" for kind in Kind)
            yield f"{name:<28}{row.seconds:>9.0f}{len(row.tests):>7}{starts}".rstrip()
