# SPDX-License-Identifier: GPL-3.0-or-later
"""How an instance's lima.yaml is written: with the comments that people wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from callao.atomic import write_file
from callao.config import dump
from callao.instances.paths import InstancePaths


def write_document(paths: InstancePaths, document: Mapping[str, object], text: str = "") -> Path | None:
    """Have lima.yaml say ``document``, in the words of ``text`` or else of what stands there.

    :returns: where the text is kept whose comments could not be; None where they all were.
    """
    from callao.config.patch import patched  # only who writes pays for it

    before = text or _read(paths.lima_yaml)
    new = patched(before, document) if before else dump(document)
    if new is not None:
        write_file(paths.lima_yaml, new.encode())
        return None
    kept = paths.dir / "lima.yaml.bak"
    write_file(kept, before.encode())
    write_file(paths.lima_yaml, dump(document).encode())
    return kept


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
