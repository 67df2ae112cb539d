# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks by the kernel whether a machine uses an instance's folder, as pid files can be lost or wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from callao import system
from callao.errors import InstanceError
from callao.instances.paths import InstancePaths

_WRITE_LOCKS = (101, 3)
"""First byte and length: QEMU locks byte 100 plus the number of each permission that it has on an image, and
1 to 3 are those to write and to resize it (QEMU's block/file-posix.c and include/block/block-common.h)."""


def must_be_unused(paths: InstancePaths, operation: str) -> None:
    """Check before an operation that would remove the disk or the sockets of a running machine.

    :param operation: the operation on the instance, such as "deleted".
    :raises InstanceError: when a process writes its disk, or a host agent answers.
    """
    if is_listening(paths.ha_sock):
        raise _refused(paths, operation, f"a host agent that no pid file names answers on {paths.ha_sock}")
    for disk in (paths.disk, paths.dir / "diffdisk"):
        if is_open_for_writing(disk):
            writers = ", ".join(_writers(disk)) or "a process of another user"
            raise _refused(
                paths, operation, f"its disk {disk} is written by {writers}, which no pid file names"
            )


def is_listening(sock: Path) -> bool:
    """Whether a process listens on a socket."""
    if not sock.exists():
        return False
    with system.unix_socket() as wire:
        wire.settimeout(1.0)
        try:
            wire.connect(str(sock))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except (
            BlockingIOError,
            PermissionError,
            TimeoutError,
        ):  # it listens, but does not accept the connection
            return True
        except OSError:  # no socket, or a name that is too long for one
            return False
    return True


def is_open_for_writing(disk: Path) -> bool:
    """Whether a QEMU has the image open to write to it; only Linux can tell."""
    return system.write_locked(disk, *_WRITE_LOCKS)


def _refused(paths: InstancePaths, what: str, why: str) -> InstanceError:
    return InstanceError(
        f"instance {paths.name!r} cannot be {what}: {why}.",
        hint="End that process first, or shut the guest down from inside.",
    )


def _writers(disk: Path) -> Iterator[str]:
    """Processes of this user that have a file open, as "NAME (pid N)"."""
    for pid in system.openers(disk):
        yield f"{Path(system.arguments(pid)[0]).name} (pid {pid})"
