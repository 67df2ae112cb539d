# SPDX-License-Identifier: GPL-3.0-or-later
"""Implements the contract in :mod:`callao.disks.layers` by qcow2 files, see :mod:`.layers`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from callao.drivers.qemu.disks import layers
from callao.drivers.qemu.disks.qcow2 import backing_name_for
from callao.errors import DriverError
from callao.reflink import copy_reflink


class Qcow2Layers:
    """The layers of any qcow2 image."""

    def freeze(self, images: Sequence[Path]) -> list[str]:
        return layers.freeze_all(images)

    def revert(self, layers_of: Mapping[Path, str]) -> None:
        layers.revert_all([(image.parent / layer, image) for image, layer in layers_of.items()])

    def share(self, image: Path, layer: str, other: Path) -> None:
        for file in _chain_in_folder(image.parent / layer):
            _link_or_copy(file, other.parent / file.name)
        self.revert({other: layer})

    def sweep(self, image: Path, needed: Iterable[str]) -> None:
        try:
            images = [top for top in (image, *(image.parent / each for each in needed)) if top.exists()]
            needed_files = {
                _file_identity(file) for top in images for file in (top, *layers.backing_chain(top))
            }
            own = _file_identity(image)
            for layer in _layer_files(image):
                if _file_identity(layer) not in needed_files and own not in map(
                    _file_identity, layers.backing_chain(layer)
                ):
                    layer.unlink()
        except (DriverError, OSError):
            return

    def bases(self, image: Path) -> tuple[Path, ...]:
        images = [top for top in (image, *_layer_files(image)) if top.exists()]
        return tuple(
            file for top in images for file in layers.backing_chain(top) if file.parent != image.parent
        )

    def repair_backing_files(self, image: Path, home: Path, find: Callable[[Path], Path]) -> None:
        layers.repair_backing_files(
            image, find, lambda base, path: backing_name_for(base, path.parent, home)
        )


def files_in_folder(image: Path) -> tuple[Path, ...]:
    """The image, if it exists, and its backing files in the same folder."""
    return tuple(_chain_in_folder(image)) if image.exists() else ()


def _chain_in_folder(top: Path) -> Iterator[Path]:
    yield top
    yield from (file for file in layers.backing_chain(top) if file.parent == top.parent)


def _layer_files(image: Path) -> list[Path]:
    name = re.compile(rf"{re.escape(image.name)}\.[0-9]+")
    return [path for path in image.parent.glob(f"{image.name}.*") if name.fullmatch(path.name)]


def _file_identity(path: Path) -> tuple[int, int]:
    """Device and inode of a file, which may have two names."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _link_or_copy(layer: Path, target: Path) -> None:
    """Make a hard link, or a copy where the two paths are on different file systems."""
    try:
        target.hardlink_to(layer)
    except OSError:
        try:
            copy_reflink(layer, target)
        except OSError as error:
            raise DriverError(f"{layer} cannot be copied to {target}: {error.strerror}.") from error
