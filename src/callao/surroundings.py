# SPDX-License-Identifier: GPL-3.0-or-later
"""What a quick command asks of the system that it runs on; :class:`callao.host.Host` is the whole of it."""

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
        import getpass

        return getpass.getuser(), os.getuid(), str(Path.home()), ""
    return entry.pw_name, entry.pw_uid, entry.pw_dir, entry.pw_gecos.split(",")[0]


def lima_home() -> Path:
    """``$LIMA_HOME``, or ``~/.lima``; absolute, symlinks kept.

    :raises CallaoError: when ``LIMA_HOME`` is set to a relative path.
    """
    raw = os.environ.get("LIMA_HOME", "")
    path = Path(raw).expanduser() if raw else Path.home() / ".lima"
    if not path.is_absolute():
        raise CallaoError(f"LIMA_HOME: {raw!r} is not an absolute path.", hint="Set it to one, or unset it.")
    return path


def identity_file(home: Path) -> Path:
    """Lima's ssh identity for all instances of one LIMA_HOME: the private key."""
    return home / "_config" / "user"
