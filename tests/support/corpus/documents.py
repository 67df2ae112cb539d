# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds ``values`` and ``zero-values``: ``yaml`` is a whole lima.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from callao.templates import resolve_text, with_override_files
from support.corpus.canonical import canonical, difference
from support.corpus.host import defaults, filled
from support.corpus.verdict import Verdict, attempt, wanted, wanted_taken

Case = dict[str, Any]


def verdicts(case: Case, folder: Path) -> tuple[Verdict, Verdict]:
    return compared(
        case,
        lambda: filled(
            with_override_files(resolve_text(case["yaml"], "lima.yaml", folder).document, folder)
        ),
        case["yaml"],
    )


def compared(case: Case, make: Callable[[], Mapping[str, Any]], text: str) -> tuple[Verdict, Verdict]:
    """What the case's ``filled`` says, beside what ``make`` gives, in the fields that it says."""
    given = attempt(make)
    if not given.taken or not wanted_taken(case):
        return Verdict(wanted_taken(case), wanted(case, "filled"), case.get("why", "")), given
    expected = {**(wanted(case, "filled") or {})}
    fallback = defaults() if "@default" in expected.values() else {}
    expected = {key: fallback.get(key) if value == "@default" else value for key, value in expected.items()}
    arch = {"arch": given.value["arch"]}
    said = canonical({**arch, **expected}, text=text)
    ours = canonical(dict(given.value), text=text)
    differing = difference(said, ours, expected)
    return Verdict(True, differing[0]), Verdict(True, differing[1])
