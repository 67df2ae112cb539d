# SPDX-License-Identifier: GPL-3.0-or-later
"""Describes how a template differs from what was locked."""

from __future__ import annotations

from pathlib import Path

from callao.lockfile.model import LockedTemplate
from callao.lockfile.names import place_of
from callao.templates import Resolved


def describe_changes(key: str, locked: LockedTemplate, resolved: Resolved, folder: Path) -> str:
    """One sentence with each text that was changed, added or removed."""
    before = {source.location: source.digest for source in locked.sources}
    now = {place_of(source.location, folder): source.digest for source in resolved.sources}
    groups = {
        "changed": [place for place in now if place in before and before[place] != now[place]],
        "added": [place for place in now if place not in before],
        "gone": [place for place in before if place not in now],
    }
    describe_changes = "; ".join(f"{what}: {', '.join(places)}" for what, places in groups.items() if places)
    reason = describe_changes or "its texts are the same, but this version of Callao reads them differently"
    return f"template {key!r} is not what the lock file says ({reason})."
