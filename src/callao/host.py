# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about the host that defaults depend on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from callao import system
from callao.host_basics import (
    expand_user,
    home_folder,
    identity_file,
    lima_home,
    native_arch,
)

__all__ = [
    "Host",
    "HostUser",
    "expand_user",
    "home_folder",
    "identity_file",
    "lima_home",
    "native_arch",
    "virtiofsds",
]

_VIRTIOFSD_PATHS = (
    ("/usr/libexec/virtiofsd", False),
    ("/usr/lib/virtiofsd", False),
    ("/usr/lib/qemu/virtiofsd", True),
    ("/usr/libexec/qemu/virtiofsd", True),
)
"""Paths on Debian and Fedora, on Arch, and of QEMU before 8.0; and whether it is QEMU's own virtiofsd."""


@dataclass(frozen=True)
class HostUser:
    """The user who runs the engine, as the passwd database has it, and ``$HOME`` as ``home``."""

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
    temporary: str = "/tmp"  # noqa: S108 - $TMPDIR is of one user
    """The user's directory for temporary files."""
    version: tuple[int, ...] = ()
    """Of macOS, as in 14, 5; empty on other systems."""

    @classmethod
    def detect(cls) -> Host:
        """Collect the facts from the running system."""
        return cls(
            os="windows" if sys.platform == "win32" else sys.platform,
            arch=native_arch(),
            cpus=system.cpus(),
            memory=system.memory(),
            user=_user(),
            timezone=_timezone(),
            virtiofs=any(usable for _, usable in virtiofsds()),
            temporary=os.environ.get("TMPDIR") or "/tmp",  # noqa: S108
            version=_macos_version(),
        )


def virtiofsds() -> Iterator[tuple[str, bool]]:
    """Each virtiofsd of this host, and whether this user can run it: QEMU's own, in C, needs root."""
    import shutil

    root = system.uid() == 0
    if named := shutil.which("virtiofsd"):
        yield named, True
    for path, from_qemu in _VIRTIOFSD_PATHS:
        if Path(path).is_file():
            yield path, root or not from_qemu


def _user() -> HostUser:
    name, uid, home, comment = system.account()
    return HostUser(name=name, uid=uid, comment=comment, home=os.environ.get("HOME") or home)


def _timezone() -> str:
    """The IANA name, from the ``/etc/localtime`` symlink (see localtime(5)); empty when unknown."""
    try:
        target = str(Path("/etc/localtime").readlink())
    except OSError:
        return ""
    _, found, name = target.partition("zoneinfo/")
    return name if found else ""


def _macos_version() -> tuple[int, ...]:
    if sys.platform != "darwin":
        return ()
    import platform

    return tuple(int(each) for each in platform.mac_ver()[0].split(".")[:2] if each.isdigit())
