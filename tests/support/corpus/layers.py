# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind ``layers``: ``template`` with ``default``, ``override`` and ``base_yaml`` of ``_config``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from callao.templates import resolve_text, with_override_files
from support.corpus.documents import compared
from support.corpus.host import filled
from support.corpus.verdict import Verdict

_FILES = {"default": "default.yaml", "override": "override.yaml", "base_yaml": "base.yaml"}


def verdicts(case: dict[str, Any], folder: Path) -> tuple[Verdict, Verdict]:
    config = folder / "_config"
    config.mkdir(parents=True)
    for key, name in _FILES.items():
        if key in case:
            (config / name).write_text(case[key], encoding="utf-8")

    def made() -> dict[str, Any]:
        document = resolve_text(case["template"], "x.yaml", folder).document
        return filled(with_override_files(document, folder))

    return compared(case, made, " ".join(case.get(key, "") for key in ("template", *_FILES)))
