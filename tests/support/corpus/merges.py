# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind ``merges``: a template with its bases and files taken in, before any default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from callao.templates import resolve
from support.corpus.canonical import canonical
from support.corpus.verdict import Verdict, attempt, wanted, wanted_taken


def verdicts(case: dict[str, Any], folder: Path) -> tuple[Verdict, Verdict]:
    for name, text in case["files"].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    home = folder / "_home"
    before = Path.cwd()
    os.chdir(folder)
    try:
        given = attempt(
            lambda: canonical(
                resolve(str(folder / case["main"]), home).document, text="vnc archives containerd"
            )
        )
    finally:
        os.chdir(before)
    taken = wanted_taken(case)
    merged = wanted(case, "merged")
    expected = canonical(merged, text="vnc archives containerd") if taken and merged is not None else None
    return Verdict(taken, expected, case.get("why", "")), given
