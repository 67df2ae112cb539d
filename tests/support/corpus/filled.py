# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind ``filled``: the configuration written whole, by us for Lima, and by Lima for us."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from callao.config import dump, load
from callao.templates import resolve, with_override_files
from support.corpus.canonical import canonical, difference
from support.corpus.host import defaults, filled
from support.corpus.verdict import Verdict, attempt

_OF_FILES = ("content", "overwrite", "owner", "path", "permissions", "format")


def verdicts(case: dict[str, Any], folder: Path) -> tuple[Verdict, Verdict]:
    for name, text in {**case.get("files", {}), "x.yaml": case["template"]}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    home = folder / "_home"
    spoken = case["template"] + str(case.get("files", ""))
    expected = canonical(_with_defaults(case["filled"]), text=spoken)

    def made() -> Any:
        text = dump(filled(with_override_files(resolve(str(folder / "x.yaml"), home).document, home)))
        return _differences(expected, load(text, "ours"), spoken), _refused_by_lima(load(text, "ours"))

    def again() -> Any:
        taken = filled(load(case["filled_text"], "Lima's"))
        wanted = {**expected, **canonical(_with_defaults(case.get("refilled", {})), text=spoken)}
        return _differences(wanted, taken, spoken)

    ours = attempt(made)
    if not case["taken_back"] or not ours.taken:
        return Verdict(True, ((({}, {}), []))), ours
    theirs = attempt(again)
    both = Verdict(theirs.taken, (ours.value, theirs.value), theirs.why)
    return Verdict(True, ((({}, {}), []), ({}, {}))), both


def _with_defaults(document: dict[str, Any]) -> dict[str, Any]:
    fallback = defaults()
    return {key: fallback.get(key) if value == "@default" else value for key, value in document.items()}


def _differences(wanted: dict[str, Any], document: dict[str, Any], spoken: str) -> Any:
    ours = canonical(document, text=spoken)
    # What the driver chooses, limactl fills in later.
    ours = {key: value for key, value in ours.items() if key in wanted or key not in ("vmType", "mountType")}
    return difference(wanted, ours, sorted({*wanted, *ours} - {"containerd"}))


def _refused_by_lima(document: dict[str, Any]) -> list[str]:
    """Fields of entries that have no place in their mode."""
    return [
        f"provision[{index}].{field}"
        for index, entry in enumerate(document.get("provision", []))
        if entry.get("mode", "system") not in ("data", "yq")
        for field in _OF_FILES
        if field in entry
    ]
