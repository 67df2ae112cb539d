# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind ``merges``: a template with its bases and files taken in, before any default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from callao.config import json_schema
from callao.templates import resolve
from support.corpus.canonical import canonical
from support.corpus.verdict import Verdict, attempt, wanted, wanted_taken

_SPOKEN = "vnc archives containerd"


def verdicts(case: dict[str, Any], folder: Path) -> tuple[Verdict, Verdict]:
    for name, text in case["files"].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    home = folder / "_home"
    before = Path.cwd()
    os.chdir(folder)
    try:
        given = attempt(lambda: _known(resolve(str(folder / case["main"]), home).document))
    finally:
        os.chdir(before)
    taken = wanted_taken(case)
    merged = wanted(case, "merged")
    expected = canonical(merged, text=_SPOKEN) if taken and merged is not None else None
    if taken and expected is None and given.taken:
        given = Verdict(True)
    return Verdict(taken, expected, case.get("why", "")), given


def _known(document: dict[str, Any]) -> dict[str, Any]:
    """Without keys that are none of lima.yaml's: what they merge to is nobody's business."""
    fields = json_schema()["properties"]
    return canonical({key: value for key, value in document.items() if key in fields}, text=_SPOKEN)
