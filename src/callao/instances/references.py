# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the instances that refer to a shared object of the LIMA_HOME: a disk or a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from callao.config import load
from callao.errors import CallaoError
from callao.instances.paths import InstancePaths
from callao.instances.status import instance_names


def instances_referring_to(
    name: str, home: Path, field: str, name_of: Callable[[object], object]
) -> list[str]:
    """The instances that name it in a list of their lima.yaml; unreadable files are left out.

    :param field: the list, such as ``networks``.
    :param name_of: returns the name in an entry.
    """
    return [
        each for each in instance_names(home) if name in map(name_of, _entries(home / each, name, field))
    ]


def _entries(folder: Path, wanted: str, field: str) -> list[object]:
    path = InstancePaths(folder).lima_yaml
    try:
        text = path.read_text(encoding="utf-8")
        entries = load(text, str(path)).get(field) if wanted in text else None
    except (CallaoError, OSError, UnicodeDecodeError):
        return []
    return entries if isinstance(entries, list) else []
