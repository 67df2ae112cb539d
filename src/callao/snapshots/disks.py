# SPDX-License-Identifier: GPL-3.0-or-later
"""Additional disks in snapshots: which can be in one, and which of their layers snapshots still need.

The layers of a disk lie beside its image, so that they go with it from one instance to another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from callao.disks import DiskPaths, inspect
from callao.disks.change import listed_by
from callao.errors import SnapshotError
from callao.images.formats import Form
from callao.instances import InstancePaths, names
from callao.snapshots.layers import Chain, remove_unneeded
from callao.snapshots.store import listed, unreadable

_LAYER = re.compile(r"datadisk\.[0-9]+")


def refuse_unkept(paths: InstancePaths, disks: Iterable[str]) -> None:
    """For a snapshot of an instance with these disks: all of them are in it, or there is none.

    :raises DiskNotFound: when one does not exist.
    :raises SnapshotError: when one cannot have layers, or is listed by another instance, whose data a return
        to the snapshot would undo.
    """
    home = paths.dir.parent
    for name in disks:
        disk = inspect(name, home)
        if disk.format is not Form.QCOW2:
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


def refuse_other(paths: InstancePaths, snapshot: str, kept: dict[str, str], now: Iterable[str]) -> None:
    """For a return to a snapshot.

    :raises SnapshotError: when the instance has other disks now, or a disk is not the one that was kept.
    """
    wanted, there = set(kept), set(now)
    if wanted != there:
        was, is_now = (", ".join(sorted(each)) or "none" for each in (wanted, there))
        raise SnapshotError(
            f"instance {paths.name!r} cannot return to {snapshot!r}: additionalDisks were {was}, and are "
            f"{is_now}.",
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


def sweep_disk(disk: DiskPaths, home: Path, chain: Chain) -> None:
    """Remove the layers that neither the image nor a snapshot of any instance stands on.

    For whoever knows that no other machine writes the disk. Where a record cannot be read, all stays.
    """
    try:
        tops = [disk.dir / layer for layer in _needed(disk.name, home)]
    except (SnapshotError, OSError):
        return
    remove_unneeded(disk.image, tops, lambda path: _LAYER.fullmatch(path.name) is not None, chain)


def _needed(name: str, home: Path) -> Iterator[str]:
    """:raises SnapshotError: when a record cannot be read."""
    for instance in names(home):
        paths = InstancePaths(home / instance)
        if unreadable(paths):
            raise SnapshotError(f"instance {instance!r} has a snapshot that cannot be read.")
        for snapshot in listed(paths):
            if name in snapshot.disks:
                yield snapshot.disks[name]
