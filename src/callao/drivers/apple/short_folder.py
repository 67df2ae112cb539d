# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of a short, plain name for an instance's sockets, whatever the instance's own is called.

A unix socket's path has 103 bytes on macOS, and vfkit reads that of a virtual socket as a URL, in which a
blank becomes ``%20``. The folder is made anew for each start, and goes when the machine is off. A killed
host agent leaves it: it goes when the instance is stopped, started, renamed or deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import stat
from pathlib import Path

from callao import system
from callao.atomic import Durability, replacing
from callao.errors import DriverError
from callao.instances import InstancePaths

_PARENT = Path("/tmp")  # noqa: S108 - our folder there is checked to be ours alone
_LENGTH = 12
"""Hexadecimal digits of a hash of the instance's folder."""


def folder_of(paths: InstancePaths) -> Path:
    """Where the instance's sockets are."""
    name = hashlib.sha256(bytes(str(paths.dir), "utf-8", "surrogateescape")).hexdigest()[:_LENGTH]
    return _PARENT / f"callao-{system.uid()}" / name


def make(paths: InstancePaths) -> Path:
    """An empty one, which the link ``sockets`` in the instance's folder leads to.

    :raises DriverError: when somebody else has the place.
    """
    folder = folder_of(paths)
    try:
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        _must_be_ours(folder.parent)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        with replacing(paths.sockets, Durability.REBOOT_ENDS_IT) as fresh:
            fresh.symlink_to(folder)
    except OSError as error:
        raise DriverError(
            f"the folder {folder} for the machine's sockets cannot be made: {error}."
        ) from error
    return folder


def remove(paths: InstancePaths) -> None:
    """Nothing happens when there is none."""
    shutil.rmtree(folder_of(paths), ignore_errors=True)
    with contextlib.suppress(OSError):
        (paths.sockets).unlink()


def _must_be_ours(folder: Path) -> None:
    """Everybody may write to the folder above it."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != system.uid() or status.st_mode & 0o077:
        raise DriverError(
            f"{folder} is not a directory that only this user can read, so no socket is made there.",
            hint="Remove it, or have its owner remove it.",
        )
