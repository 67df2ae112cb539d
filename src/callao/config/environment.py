# SPDX-License-Identifier: GPL-3.0-or-later
"""Replaces ``$NAME`` and ``${NAME}`` in the locations of ``mounts``, once, before lima.yaml is written.

So an instance's directories do not depend on the environment of later commands. ``$$`` is a dollar sign.
Within ``{{…}}``, a dollar sign begins a variable of the Go template and stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from callao.errors import ConfigError, Problem

_VARIABLE = re.compile(
    r"\{\{.*?\}\}|\$(?:\$|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})", re.DOTALL
)


def with_environment(document: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """``document`` with the variables in its mounts' locations replaced.

    Entries that are invalid stay unchanged: validation reports them.

    :raises ConfigError: naming each variable that is not set.
    """
    mounts = document.get("mounts")
    if not isinstance(mounts, list) or "$" not in repr(mounts):
        return dict(document)
    problems: list[Problem] = []
    replaced = [_mount(entry, index, environment, problems) for index, entry in enumerate(mounts)]
    if problems:
        raise ConfigError(problems)
    return {**document, "mounts": replaced}


def _mount(entry: Any, index: int, environment: Mapping[str, str], problems: list[Problem]) -> Any:
    location = entry.get("location") if isinstance(entry, Mapping) else None
    if not isinstance(location, str) or "$" not in location:
        return entry

    def value(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(2)
        if name is None:
            return "$" if match.group() == "$$" else match.group()
        if not environment.get(name):
            place = f"mounts[{index}].location"
            allowed = "a variable of the environment, or $$ for a dollar sign"
            problems.append(Problem(place, location, f"names {name}, which is not set", allowed))
        return environment.get(name, "")

    return {**entry, "location": _VARIABLE.sub(value, location)}
