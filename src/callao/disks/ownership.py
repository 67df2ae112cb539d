# SPDX-License-Identifier: GPL-3.0-or-later
"""Which instance has a disk: one at a time, noted as Lima does, so that both programs respect it.

The note is a link to the instance's folder. It outlives a host agent that was killed, so that it is compared
with what runs: one whose owner is gone counts no more. Quick to import.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Sequence
from os.path import realpath
from pathlib import Path

from callao.disks.paths import DiskPaths, disks_folder
from callao.errors import DiskError, DiskInUse, DiskNotFound
from callao.flock import home_lock
from callao.instances.in_use import is_open_for_writing
from callao.instances.paths import InstancePaths
from callao.instances.status import is_directory, live_processes

PATIENCE = 60.0
"""Seconds to wait for another run that changes the same disk."""


@contextlib.contextmanager
def held(name: str, home: Path, timeout: float = PATIENCE) -> Iterator[DiskPaths]:
    """Keep other runs from changing the disk; the kernel frees the lock when the process ends.

    :raises ConfigError: when ``name`` cannot be a disk's.
    :raises DiskInUse: when another run has it for ``timeout`` seconds.
    """
    paths = DiskPaths.of(name, home)

    def busy(who: str) -> DiskInUse:
        return DiskInUse(
            f"disk {name!r} is being changed by another run, {who}; waited {timeout:.0f} s for it.",
            hint="Wait for that run to end, then try again.",
        )

    with home_lock(home, f"_disk.{name}", timeout, busy):
        yield paths


def owner_of(paths: DiskPaths) -> Path | None:
    """The folder of the instance that has the disk, whether it still runs or not; None while it is free.

    :raises DiskError: when the note cannot be read.
    """
    try:
        return paths.owner.readlink()
    except FileNotFoundError:
        return None
    except OSError as error:
        why = "is no symbolic link" if error.errno == errno.EINVAL else f"cannot be read: {error}"
        raise DiskError(
            f"disk {paths.name!r}: {paths.owner} {why}.", hint="Remove that file if no machine has the disk."
        ) from error


def is_gone(owner: Path, paths: DiskPaths) -> bool:
    """Whether nobody has the disk any more, whatever the note says."""
    if is_open_for_writing(paths.image):
        return False
    if not is_directory(owner):
        return True
    found = live_processes(InstancePaths(owner))
    return found.agent is None and found.driver is None


def must_be_free(paths: DiskPaths, instance: Path | None, what: str) -> None:
    """For what only one machine, or none, may have.

    :param instance: the folder of the instance that may have it.
    :param what: what is to be done, as in "resized".
    :raises DiskInUse: when another machine has the disk.
    """
    owner = owner_of(paths)
    if owner is not None and instance is not None and is_same(owner, instance):
        return
    if owner is not None and not is_gone(owner, paths):
        raise DiskInUse(
            f"disk {paths.name!r} cannot be {what}: it is in use by instance {owner.name!r}.",
            hint=f"Stop it first: callao stop {owner.name}",
        )
    if owner is None and is_open_for_writing(paths.image):
        raise DiskInUse(
            f"disk {paths.name!r} cannot be {what}: a process that {paths.owner} does not name writes "
            f"{paths.image}.",
            hint="End that process first.",
        )


def must_be_available(disks: Sequence[str], instance: Path) -> None:
    """For a start, before anything is changed for it.

    :raises DiskNotFound: when there is no such disk.
    :raises DiskInUse: when another machine has one.
    """
    for name in disks:
        _must_be_available(DiskPaths.of(name, instance.parent), instance)


def _must_be_available(paths: DiskPaths, instance: Path) -> None:
    if not paths.image.exists():
        raise DiskNotFound(
            f"additionalDisks: disk {paths.name!r} does not exist in {paths.dir.parent}.",
            hint=f"Create it: callao disk create {paths.name} --size SIZE",
        )
    must_be_free(paths, instance, f"attached to instance {instance.name!r}")


def take(disks: Sequence[str], instance: Path) -> None:
    """Note that an instance has these disks: all of them, or none.

    Its own older notes are renewed, those of owners that are gone replaced.

    :raises DiskNotFound: when there is no such disk.
    :raises DiskInUse: when another machine has one; nothing has changed then.
    """
    home = instance.parent
    taken: list[str] = []
    try:
        for name in disks:
            with held(name, home) as paths:
                _must_be_available(paths, instance)
                before = owner_of(paths)
                if before is None or not is_same(before, instance):
                    taken.append(name)
                _note(paths, instance)
    except BaseException:
        release(taken, instance)
        raise


def release(disks: Sequence[str], instance: Path) -> None:
    """Note that an instance no longer has these disks; where another has one by now, it keeps it."""
    for name in disks:
        with contextlib.suppress(DiskError, OSError), held(name, instance.parent) as paths:
            owner = owner_of(paths)
            if owner is not None and is_same(owner, instance):
                paths.owner.unlink(missing_ok=True)


def release_all(instance: Path) -> None:
    """The same of every disk that an instance has, for whoever knows that its machine is off."""
    folder = disks_folder(instance.parent)
    try:
        found = [DiskPaths(each) for each in folder.iterdir()]
    except OSError:  # most homes have no disks
        return
    mine = []
    for paths in found:
        with contextlib.suppress(DiskError):
            owner = owner_of(paths)
            if owner is not None and is_same(owner, instance):
                mine.append(paths.name)
    release(mine, instance)


def is_same(owner: Path, instance: Path) -> bool:
    """Whether two paths lead to one folder, which a home may have under several names."""
    return owner == instance or realpath(owner) == realpath(instance)


def _note(paths: DiskPaths, instance: Path) -> None:
    """The link is replaced as a whole: there is no moment without an owner."""
    fresh = paths.dir / ".in_use_by.new"
    try:
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(instance)
        fresh.replace(paths.owner)
    except OSError as error:
        raise DiskError(f"disk {paths.name!r}: {paths.owner} cannot be written: {error}.") from error
