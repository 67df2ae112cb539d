# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment variables that ``shell --preserve-env`` passes to the guest.

See Lima's documentation of ``LIMA_SHELLENV_ALLOW`` and ``LIMA_SHELLENV_BLOCK``.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping

from callao.errors import CallaoError

BLOCKED_VARIABLES = (
    "BASH*", "DISPLAY", "DYLD_*", "EUID", "FPATH", "GID", "GROUP", "HOME", "HOSTNAME", "LD_*", "LOGNAME",
    "OLDPWD", "PATH", "PWD", "SHELL", "SHLVL", "SSH_*", "TERM", "TERMINFO", "TMPDIR", "UID", "USER",
    "XAUTHORITY", "XDG_*", "ZDOTDIR", "ZSH*", "_*",
)  # fmt: skip
"""Lima's list of the variables that belong to the host's session, and would be wrong in the guest."""

_ALLOW, _BLOCK = "LIMA_SHELLENV_ALLOW", "LIMA_SHELLENV_BLOCK"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def preserved_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables to pass on; with ``LIMA_SHELLENV_ALLOW`` only those that it names.

    :raises CallaoError: for a pattern that no variable can match.
    """
    allowed = _patterns(_ALLOW, environment.get(_ALLOW, ""))
    block = environment.get(_BLOCK, "")
    blocked = [
        *(BLOCKED_VARIABLES if not block or block.startswith("+") else ()),
        *_patterns(_BLOCK, block.removeprefix("+")),
    ]

    def passes(name: str) -> bool:
        if not _NAME.fullmatch(name):
            return False
        return _matches(name, allowed) if allowed else not _matches(name, blocked)

    return {name: value for name, value in environment.items() if passes(name)}


def _patterns(variable: str, text: str) -> list[str]:
    patterns = [each.strip() for each in text.split(",") if each.strip()]
    for each in patterns:
        if wrong := re.search(r"[^A-Za-z0-9_*]", each):
            raise CallaoError(
                f"Invalid {variable} pattern: {each!r} contains invalid character {wrong[0]!r} "
                "(allowed: letters, digits, _ and *)."
            )
    return patterns


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
