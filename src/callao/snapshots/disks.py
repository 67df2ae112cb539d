# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks whether additional disks can be part of a snapshot, and whether they still are those of a
snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable

from callao.disks import inspect
from callao.disks.change import listed_by
from callao.errors import SnapshotError
from callao.images.formats import ImageFormat
from callao.instances import InstancePaths


def refuse_unsupported_disks(paths: InstancePaths, disks: Iterable[str]) -> None:
    """Check the disks before a snapshot, which has either all of them or is not taken.

    :raises DiskNotFound: when one does not exist. :raises SnapshotError: when one cannot have layers, or
    another instance lists it, whose data would be reverted with the snapshot.
    """
    home = paths.dir.parent
    for name in disks:
        disk = inspect(name, home)
        if disk.format is not ImageFormat.QCOW2:
            raise SnapshotError(
                f"instance {paths.name!r} cannot be saved: its disk {name!r} is {disk.format}, and only "
                "qcow2 can be kept.",
                hint=f"Import {disk.paths.image} as qcow2 under another name, or detach the disk.",
            )
        others = [each for each in listed_by(name, home) if each != paths.name]
        if others:
            raise SnapshotError(
                f"instance {paths.name!r} cannot be saved: {', '.join(others)} list its disk {name!r}, too, "
                "and a return to the snapshot would undo what is written there.",
                hint="Take the disk out of the other instance's additionalDisks.",
            )


def refuse_changed_disks(
    paths: InstancePaths, snapshot: str, kept: dict[str, str], now: Iterable[str]
) -> None:
    """Check the disks before the instance is reverted to a snapshot.

    :raises SnapshotError: when the instance lists other disks now, or a disk was replaced by another of its
    name.
    """
    wanted, there = set(kept), set(now)
    if wanted != there:
        before, after = (", ".join(sorted(each)) or "none" for each in (wanted, there))
        raise SnapshotError(
            f"instance {paths.name!r} cannot return to {snapshot!r}: additionalDisks were {before}, and are "
            f"{after}.",
            hint="List the same disks as then, or delete the snapshot.",
        )
    for name, layer in kept.items():
        disk = inspect(name, paths.dir.parent)
        if not (disk.paths.dir / layer).exists():
            raise SnapshotError(
                f"instance {paths.name!r} cannot return to {snapshot!r}: disk {name!r} is another one by "
                f"now, without the layer {layer}.",
                hint="Delete the snapshot.",
            )
