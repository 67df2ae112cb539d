# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes an instance's lima.yaml and keeps its comments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from callao.atomic import write_file
from callao.config import dump
from callao.instances.paths import InstancePaths


def write_document(paths: InstancePaths, document: Mapping[str, object], text: str = "") -> Path | None:
    """Write ``document`` to lima.yaml, with the comments of ``text``, or of the present file.

    :returns: the file with the former text where not all comments could be kept, else None.
    """
    from callao.config.patch import patched  # slow to import

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
