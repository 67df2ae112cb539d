# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment variables that ``shell --preserve-env`` passes to the guest.

See Lima's documentation of ``LIMA_SHELLENV_ALLOW`` and ``LIMA_SHELLENV_BLOCK``.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping

BLOCKED_VARIABLES = (
    "BASH*", "DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "DYLD_*", "EUID", "FPATH", "GID", "GROUP", "HOME",
    "HOSTNAME", "LD_*", "LIMA_*", "LOGNAME", "OLDPWD", "PATH", "PWD", "SHELL", "SHLVL", "SSH_*", "TERM",
    "TERMINFO", "TMPDIR", "UID", "USER", "VIRTUAL_ENV", "XAUTHORITY", "XDG_*", "ZDOTDIR", "ZSH*", "_*",
)  # fmt: skip
"""Variables that belong to the host's session, and would be wrong in the guest."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def preserved_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables to pass on; with ``LIMA_SHELLENV_ALLOW`` only those that it names."""
    allowed = _patterns(environment.get("LIMA_SHELLENV_ALLOW", ""))
    block = environment.get("LIMA_SHELLENV_BLOCK", "")
    blocked = [
        *(BLOCKED_VARIABLES if not block or block.startswith("+") else ()),
        *_patterns(block.removeprefix("+")),
    ]

    def passes(name: str) -> bool:
        if not _NAME.fullmatch(name):
            return False
        return _matches(name, allowed) if allowed else not _matches(name, blocked)

    return {name: value for name, value in environment.items() if passes(name)}


def _patterns(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
