# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts about the host that a quick command needs; :class:`callao.host.Host` has all of them."""

from __future__ import annotations

import os
from pathlib import Path

from callao import system
from callao.architectures import lima_name
from callao.errors import CallaoError


def native_arch() -> str:
    """This machine's architecture, as lima.yaml calls it."""
    return lima_name(system.machine().lower())


def lima_home() -> Path:
    """``$LIMA_HOME``, or ``~/.lima``; absolute, symlinks kept.

    :raises CallaoError: when ``LIMA_HOME`` is set to a relative path.
    """
    raw = os.environ.get("LIMA_HOME", "")
    path = expand_user(raw) if raw else home_folder() / ".lima"
    if not path.is_absolute():
        raise CallaoError(f"LIMA_HOME: {raw!r} is not an absolute path.", hint="Set it to one, or unset it.")
    return path


def expand_user(path: str) -> Path:
    """A path with ``~`` and ``~NAME`` replaced by those users' homes.

    :raises CallaoError: when there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        user = path.partition("/")[0]
        raise CallaoError(
            f"{path!r}: {user} is no user of this host.", hint="Write the path without '~'."
        ) from None


def home_folder() -> Path:
    """The user's home directory.

    :raises CallaoError: when neither ``HOME`` nor the passwd database has it.
    """
    try:
        return Path.home()
    except RuntimeError:
        raise CallaoError(
            f"uid {system.account()[1]} has no entry in the passwd database, and HOME is not set.",
            hint="Set HOME, or LIMA_HOME.",
        ) from None


def identity_file(home: Path) -> Path:
    """Lima's ssh identity for all instances of one LIMA_HOME: the private key."""
    return home / "_config" / "user"
