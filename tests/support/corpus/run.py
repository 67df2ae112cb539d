# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of cases, run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.corpus import documents, expand, filled, layers, locators, merges, names, ports
from support.corpus.verdict import Verdict

Case = dict[str, Any]

TOPICS: dict[str, Callable[[Case, Path], tuple[Verdict, Verdict]]] = {
    "values": documents.verdicts,
    "zero-values": documents.verdicts,
    "layers": layers.verdicts,
    "merges": merges.verdicts,
    "expand": expand.verdicts,
    "ports": ports.verdicts,
    "names": names.verdicts,
    "locators": locators.verdicts,
    "filled": filled.verdicts,
}
"""By a file's stem: what takes a case and an empty folder, and gives the wanted verdict and ours."""


@dataclass(frozen=True)
class Result:
    """One case: whether Callao's verdict is the wanted one."""

    topic: str
    id: str
    wanted: Verdict
    given: Verdict

    @property
    def agrees(self) -> bool:
        return self.given.fits(self.wanted)


def cases(folder: Path) -> Iterator[tuple[str, Case]]:
    """Each case of the folder, with its topic."""
    for topic in TOPICS:
        path = folder / f"{topic}.jsonl"
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                yield topic, json.loads(line)


def results(folder: Path, scratch: Path) -> Iterator[Result]:
    """Each case's result.

    :param scratch: an existing, empty folder for the cases' files.
    """
    for index, (topic, case) in enumerate(cases(folder)):
        wanted, given = TOPICS[topic](case, scratch / str(index))
        yield Result(topic, case["id"], wanted, given)
