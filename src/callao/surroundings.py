# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts about the host that a quick command needs; :class:`callao.host.Host` has all of them."""

from __future__ import annotations

import os
from pathlib import Path

from callao.errors import CallaoError

ARCH_ALIASES = {"amd64": "x86_64", "arm64": "aarch64", "armv6l": "armv7l", "armhf": "armv7l"}
"""What other tools call the architectures that lima.yaml names."""


def native_arch() -> str:
    """This machine's architecture, as lima.yaml calls it."""
    machine = os.uname().machine.lower()
    return ARCH_ALIASES.get(machine, machine)


def cpus() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """Bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def account() -> tuple[str, int, str, str]:
    """Name, uid, home and comment of the user, as the passwd database has them."""
    import pwd

    try:
        entry = pwd.getpwuid(os.getuid())
    except KeyError:
        # As in a container that is run under any number.
        name = os.environ.get("USER") or os.environ.get("LOGNAME") or f"user{os.getuid()}"
        return name, os.getuid(), os.environ.get("HOME") or "/", ""
    return entry.pw_name, entry.pw_uid, entry.pw_dir, entry.pw_gecos.split(",")[0]


def lima_home() -> Path:
    """``$LIMA_HOME``, or ``~/.lima``; absolute, symlinks kept.

    :raises CallaoError: when ``LIMA_HOME`` is set to a relative path.
    """
    raw = os.environ.get("LIMA_HOME", "")
    path = expanded(raw) if raw else home_folder() / ".lima"
    if not path.is_absolute():
        raise CallaoError(f"LIMA_HOME: {raw!r} is not an absolute path.", hint="Set it to one, or unset it.")
    return path


def expanded(path: str) -> Path:
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
    """The user's own.

    :raises CallaoError: when nothing says where it is.
    """
    try:
        return Path.home()
    except RuntimeError:
        raise CallaoError(
            f"uid {os.getuid()} has no entry in the passwd database, and HOME is not set.",
            hint="Set HOME, or LIMA_HOME.",
        ) from None


def identity_file(home: Path) -> Path:
    """Lima's ssh identity for all instances of one LIMA_HOME: the private key."""
    return home / "_config" / "user"
