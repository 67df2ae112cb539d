# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about the machine that runs the VMs: what defaults depend on."""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from callao.errors import CallaoError

ARCH_ALIASES = {"amd64": "x86_64", "arm64": "aarch64", "armv6l": "armv7l", "armhf": "armv7l"}
"""What other tools call the architectures that lima.yaml names."""

_VIRTIOFSD_PLACES = (
    ("/usr/libexec/virtiofsd", False),
    ("/usr/lib/virtiofsd", False),
    ("/usr/lib/qemu/virtiofsd", True),
    ("/usr/libexec/qemu/virtiofsd", True),
)
"""Where Debian and Fedora, Arch, and QEMU before 8.0 keep it; whether it is QEMU's own."""


@dataclass(frozen=True)
class HostUser:
    """The user who runs the engine, as the passwd database has it."""

    name: str
    uid: int
    comment: str
    home: str


@dataclass(frozen=True)
class Host:
    """What the configuration's defaults depend on.

    ``memory`` is in bytes; ``os`` is ``linux``, ``darwin`` or ``windows``.
    """

    os: str
    arch: str
    cpus: int
    memory: int
    user: HostUser
    timezone: str
    virtiofs: bool = False
    """Whether there is a virtiofsd that this user can run."""

    @classmethod
    def detect(cls) -> Host:
        """Ask the running system."""
        return cls(
            os="windows" if sys.platform == "win32" else sys.platform,
            arch=native_arch(),
            cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            user=_user(),
            timezone=_timezone(),
            virtiofs=any(usable for _, usable in virtiofsds()),
        )


def native_arch() -> str:
    """This machine's architecture, as lima.yaml calls it."""
    machine = platform.machine().lower()
    return ARCH_ALIASES.get(machine, machine)


def virtiofsds() -> Iterator[tuple[str, bool]]:
    """Each virtiofsd of this host, and whether this user can run it: QEMU's own, in C, needs root."""
    root = os.geteuid() == 0
    if named := shutil.which("virtiofsd"):
        yield named, True
    for path, from_qemu in _VIRTIOFSD_PLACES:
        if Path(path).is_file():
            yield path, root or not from_qemu


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


def _user() -> HostUser:
    import pwd

    try:
        entry = pwd.getpwuid(os.getuid())
    except KeyError:
        return HostUser(name=getpass.getuser(), uid=os.getuid(), comment="", home=str(Path.home()))
    return HostUser(
        name=entry.pw_name, uid=entry.pw_uid, comment=entry.pw_gecos.split(",")[0], home=entry.pw_dir
    )


def _timezone() -> str:
    """The IANA name, from the ``/etc/localtime`` symlink (see localtime(5)); empty when unknown."""
    try:
        target = str(Path("/etc/localtime").readlink())
    except OSError:
        return ""
    _, found, name = target.partition("zoneinfo/")
    return name if found else ""
