# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders versions by semver.org, section 11."""

from __future__ import annotations

import re

Key = tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]


def version(text: str) -> Key:
    """A sort key of a version: 2.0.0-alpha.1 is less than 2.0.0-beta, and both are less than 2.0.0."""
    numbers, _, rest = text.strip().removeprefix("v").partition("+")[0].partition("-")
    found = [int(number) for number in re.findall(r"\d{1,18}", numbers)][:3]
    identifiers = tuple(
        (False, int(each), "") if each.isdecimal() and len(each) < 19 else (True, 0, each)
        for each in rest.split(".")
        if each
    )
    return tuple((*found, 0, 0, 0)[:3]), not identifiers, identifiers
