# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a machine runs on an instance's folder, asked of the kernel: pid files can be lost or wrong."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from callao import system
from callao.errors import InstanceError, unsupported
from callao.instances.paths import InstancePaths

_WRITE_LOCKS = (101, 3)
"""First byte and length: QEMU locks byte 100 plus the number of each permission that it has on an image, and
1 to 3 are those to write and to resize it (QEMU's block/file-posix.c and include/block/block-common.h)."""

_FLOCK = "@hhqqi4x"
"""``struct flock`` of 64-bit Linux: type, whence, start, length, pid."""


def must_be_unused(paths: InstancePaths, what: str) -> None:
    """For what would pull the disk or the sockets from under a machine.

    :param what: what is to be done to the instance, as in "deleted".
    :raises InstanceError: when a process writes its disk, or a host agent answers.
    """
    if answers(paths.ha_sock):
        raise _refused(paths, what, f"a host agent that no pid file names answers on {paths.ha_sock}")
    for disk in (paths.disk, paths.dir / "diffdisk"):
        if is_written(disk):
            writers = ", ".join(_users(disk)) or "a process of another user"
            raise _refused(paths, what, f"its disk {disk} is written by {writers}, which no pid file names")


def answers(sock: Path) -> bool:
    """Whether somebody listens on a socket."""
    if sys.platform == "win32":
        raise unsupported("a unix socket")
    if not sock.exists():
        return False
    import socket  # 10 ms that the usual stop and delete need not take

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.settimeout(1.0)
        try:
            wire.connect(str(sock))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except (BlockingIOError, PermissionError, TimeoutError):  # it listens, and does not take us
            return True
        except OSError:  # no socket, or a name that is too long for one
            return False
    return True


def is_written(disk: Path) -> bool:
    """Whether a QEMU has the image open to write to it; only Linux can tell."""
    if sys.platform != "linux":
        return False
    try:
        with disk.open("rb") as file:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, *_WRITE_LOCKS, 0)
            said = fcntl.fcntl(file, fcntl.F_GETLK, asked)
    except OSError:
        return False
    return bool(struct.unpack(_FLOCK, said)[0] != fcntl.F_UNLCK)


def _refused(paths: InstancePaths, what: str, why: str) -> InstanceError:
    return InstanceError(
        f"instance {paths.name!r} cannot be {what}: {why}.",
        hint="End that process first, or shut the guest down from inside.",
    )


def _users(disk: Path) -> Iterator[str]:
    """The processes of ours that have a file open, as "NAME (pid N)"."""
    wanted = disk.stat()
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(_same(descriptor, wanted) for descriptor in (each / "fd").iterdir()):
                program = Path(system.arguments(int(each.name))[0]).name
                yield f"{program} (pid {each.name})"


def _same(descriptor: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(descriptor.stat(), wanted)
    except OSError:
        return False
