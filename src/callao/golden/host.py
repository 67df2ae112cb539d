# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements of the building host: programs, their Debian packages, disk space."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from callao import system
from callao.errors import ImageError
from callao.golden.architectures import BOOT, grub_packages
from callao.golden.emulation import PACKAGE, is_registered, registration
from callao.host_basics import native_arch

_PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "grub-mkimage": "grub-common",
    "mformat": "mtools",
    "mcopy": "mtools",
    "sfdisk": "fdisk",
    "mke2fs": "e2fsprogs",
    "qemu-img": "qemu-utils",
}
"""Program -> the Debian package that has it."""

_AS_USER = {"newuidmap": "uidmap", "unshare": "util-linux"}
_KEYRING = {"/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring"}
_SPACE = 4 * 2**30
"""Peak disk usage of a build in bytes: packages, root directory, raw disk and image."""


def missing_packages(arch: str) -> list[str]:
    """The Debian packages that this host lacks for a build, sorted; empty when it is ready."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    programs = {**_PROGRAMS, **({} if system.uid() == 0 else _AS_USER)}
    files = dict(_KEYRING)
    if arch == native_arch():
        files |= grub_packages(arch)
    elif arch in BOOT and not is_registered(arch):
        files[str(registration(arch))] = PACKAGE
    lacking = {package for program, package in programs.items() if shutil.which(program, path=path) is None}
    return sorted(lacking | {package for file, package in files.items() if not Path(file).exists()})


def refuse_unfit(arch: str, folder: Path) -> None:
    """Raise unless this host can build an image below ``folder``.

    :raises ImageError: naming the packages to install, or the space that is needed.
    """
    lacking = missing_packages(arch)
    if lacking:
        raise ImageError(
            f"This host lacks programs that build a Debian image: {', '.join(lacking)}.",
            hint=f"Install with: apt-get install {' '.join(lacking)}",
        )
    free = shutil.disk_usage(folder).free
    if free < _SPACE:
        raise ImageError(
            f"{folder} has {free / 2**30:.1f} GiB free, and a build takes {_SPACE // 2**30} GiB.",
            hint="Free some space, or set LIMA_HOME to a folder on another disk.",
        )
