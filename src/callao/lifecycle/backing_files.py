# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the backing file of an instance's disk before each start, and repairs its path.

Base images never change. But the LIMA_HOME may have been moved, and disks that earlier versions made are
backed by a download or by a file of the user's own, which may be replaced at any time.
"""

from __future__ import annotations

from pathlib import Path

from callao.drivers import Driver
from callao.errors import CallaoError, InstanceError
from callao.images import base_at, base_of_disk
from callao.instances import InstancePaths, Record

_IMMUTABLE_FOLDERS = ("qcow2", "warm")
"""Folders of the cache whose files never change."""


def repair_backing_files(paths: InstancePaths, record: Record, driver: Driver, home: Path) -> None:
    """Have the disk of a stopped instance backed by files that exist and never change.

    :raises InstanceError: when a backing file is missing, or has been replaced.
    """

    def find(base: Path) -> Path:
        return _locate(base, paths.name, record, home)

    driver.layers.repair_backing_files(paths.disk, home, find)


def _locate(base: Path, name: str, record: Record, home: Path) -> Path:
    if base.exists():
        return _immutable(base, name, record, home)
    moved = _in_moved_home(base, home)
    if moved is not None:
        return _immutable(moved, name, record, home)
    kept = base_at(home, record.image_digest) if record.image_digest and not _is_warm(base) else None
    if kept is not None and kept.exists():
        return kept
    origin = f" ({record.image}, {record.image_digest or 'of no known digest'})" if record.image else ""
    raise InstanceError(
        f"instance {name!r}: its disk is backed by {base}, which does not exist.",
        hint=f"Bring that file back{origin}.",
    )


def _immutable(base: Path, name: str, record: Record, home: Path) -> Path:
    """The file itself where it never changes, else a base image with the same content."""
    for folder in _IMMUTABLE_FOLDERS:
        place = home / "_cache" / folder
        real = place.resolve()
        # The folder may be a link into another LIMA_HOME, which can outlive this one.
        lasting = place if real == home.resolve() / "_cache" / folder else real
        for root in (place, real):
            if base.is_relative_to(root):
                return lasting / base.relative_to(root)
    if _is_warm(base):  # of another LIMA_HOME, where warm machines never change either
        return base
    try:
        kept = base_of_disk(base, record.image_digest, home)
    except (OSError, CallaoError) as error:
        message = f"instance {name!r}: {base}, which backs its disk, cannot be kept: {error}"
        raise InstanceError(message) from error
    if kept is None:
        raise InstanceError(
            f"instance {name!r}: its disk was made on an image with {record.image_digest}, and {base} "
            "has changed since.",
            hint=f"Bring that image back ({record.image}), as it was.",
        )
    return kept


def _is_warm(base: Path) -> bool:
    """Whether this is a warm machine's disk. It is no image, though the instance's record names one."""
    return base.parts[-4:-2] == ("_cache", "warm")


def _in_moved_home(base: Path, home: Path) -> Path | None:
    """The same file of the cache below ``home``, where the LIMA_HOME was moved."""
    if "_cache" not in base.parts:
        return None
    at = len(base.parts) - 1 - base.parts[::-1].index("_cache")
    candidate = home.joinpath(*base.parts[at:])
    return candidate if candidate.exists() else None
