# SPDX-License-Identifier: GPL-3.0-or-later
"""External commands: programs named ``callao-NAME`` or ``limactl-NAME``.

A script tells what it does in a ``<limactl-desc>`` comment.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from callao.cli_plugins import PREFIXES, find_program, is_program, search_folders
from callao.printable import printable

_DESCRIPTION = re.compile(rb"<(?:limactl|callao)-desc>(.*?)</(?:limactl|callao)-desc>", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HEAD = 16 * 1024
"""Bytes of a script that are searched for its description."""


class External(NamedTuple):
    """A program, and what it says of itself; nothing for one that is no script."""

    name: str
    path: Path
    description: str = ""


def discover() -> list[External]:
    """Each command once, the first place winning, by name."""
    found: dict[str, External] = {}
    for folder in search_folders():
        with suppress(OSError), os.scandir(folder) as entries:
            there = sorted(each.name for each in entries if each.name.startswith(PREFIXES))
            found = {**_of(folder, there), **found}
    return sorted(found.values(), key=lambda each: each.name)


def find(name: str) -> Path | None:
    """The program of the external command of that name."""
    return find_program(name) if _NAME.fullmatch(name) else None


def _of(folder: Path, files: list[str]) -> dict[str, External]:
    """The commands of one folder, by name: ours before Lima's."""
    found: dict[str, External] = {}
    for prefix in PREFIXES:
        for file in files:
            name, path = file.removeprefix(prefix), folder / file
            if file.startswith(prefix) and name not in found and _NAME.fullmatch(name) and is_program(path):
                found[name] = External(name, path, _description(path))
    return found


def _description(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return ""
    match = _DESCRIPTION.search(head) if head.startswith(b"#!") else None
    return printable(" ".join(match.group(1).decode("utf-8", "replace").split())) if match else ""
