# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers of disks, an instance's own disk and additional ones: the rules, and the driver's part in them.

A layer is the content that a disk had at one time. It is a file that nobody writes, in the folder of the
disk's image, so that it moves with the disk. The store chooses its name; whoever is told the name keeps it
as it is, and only the store reads a meaning into it. The image keeps its name, whatever layers it is on.

Layers are made and returned to for several disks at once: of all of them, or of none. A layer is removed by
:meth:`LayerStore.sweep` alone, where neither the disk nor a layer that a snapshot needs is backed by it. Two
instances may share a layer: each has a name for it in its own folder, and removes that name alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol


class LayerStore(Protocol):
    """Of disks that no machine has open; a disk is given by its image."""

    def freeze(self, images: Sequence[Path]) -> list[str]:
        """Keep the content of each disk as a layer, which the disk is backed by from then on.

        :returns: the names of the layers.
        :raises DriverError: when that cannot be; all disks are then as before.
        """

    def revert(self, layers: Mapping[Path, str]) -> None:
        """Have each disk's content be that of one of its layers.

        :raises DriverError: when that cannot be; all disks are then as before.
        """

    def share(self, image: Path, layer: str, other: Path) -> None:
        """Make the disk ``other``, in another folder, whose content is that of a layer of ``image``.

        :raises DriverError: when that cannot be.
        """

    def sweep(self, image: Path, needed: Iterable[str]) -> None:
        """Remove the layers that neither the disk nor one of the ``needed`` layers is backed by.

        Only for whoever knows that no machine is about to write another. Where a file cannot be read, all
        layers stay, and so does a file that is backed by the disk itself: a machine may have gone on in it
        while the disk's name could not be given to it.
        """

    def bases(self, image: Path) -> tuple[Path, ...]:
        """The files outside of its folder that the disk, or a layer of it, is backed by.

        :raises DriverError: when one of them cannot be read.
        """

    def repair_backing_files(self, image: Path, home: Path, find: Callable[[Path], Path]) -> None:
        """Have each file outside of its folder that the disk is backed by be the one that ``find`` says,
        under a name that stays right when ``home`` moves.

        :raises DriverError: when that cannot be.
        """
