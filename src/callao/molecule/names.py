# SPDX-License-Identifier: GPL-3.0-or-later
"""The name and the owner of a platform's instance, and names of files. Standard library only."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

OWNER_LABEL = "molecule"
"""The label with the project that an instance was made for; instances without it are never removed."""

TIMELINE, TIMELINE_PAGE = "timeline.jsonl", "timeline.html"
"""The record of a scenario's run in its ephemeral directory, and the page that shows it."""

_SLUG = 12
_DIGITS = 10


def owner(project: str | Path) -> str:
    """Which project this is, in a word.

    Molecule itself tells projects apart by the last part of their path alone; two checkouts of one
    repository are two projects here.
    """
    return _digest(str(Path(project).resolve()))


def instance_name(project: str | Path, scenario: str, platform: str) -> str:
    """The name of a platform's instance: stable and unique.

    It has at most 27 characters, so that with a ``LIMA_HOME`` of 50 bytes the paths of its unix sockets are
    not too long.
    """
    slug = re.sub(r"[^A-Za-z0-9]+", "-", platform)[:_SLUG].strip("-")
    words = ["mol", slug, _digest(f"{Path(project).resolve()}\0{scenario}\0{platform}")]
    return "-".join(word for word in words if word)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
