# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's side of the contract in :mod:`callao.disks.layers`: layers are qcow2 files, see ``layers``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from callao.drivers.qemu import layers
from callao.drivers.qemu.disk import name_for
from callao.errors import DriverError
from callao.reflink import copy_reflink


class Qcow2Layers:
    """Of any qcow2 image."""

    def leave(self, images: Sequence[Path]) -> list[str]:
        return layers.leave_all(images)

    def return_to(self, layers_of: Mapping[Path, str]) -> None:
        layers.return_all([(image.parent / layer, image) for image, layer in layers_of.items()])

    def share(self, image: Path, layer: str, other: Path) -> None:
        for file in _in_folder(image.parent / layer):
            _link(file, other.parent / file.name)
        self.return_to({other: layer})

    def sweep(self, image: Path, needed: Iterable[str]) -> None:
        try:
            tops = [top for top in (image, *(image.parent / each for each in needed)) if top.exists()]
            kept = {_identity(file) for top in tops for file in (top, *layers.chain(top))}
            own = _identity(image)
            for layer in _layers_of(image):
                if _identity(layer) not in kept and own not in map(_identity, layers.chain(layer)):
                    layer.unlink()
        except (DriverError, OSError):
            return

    def bases(self, image: Path) -> tuple[Path, ...]:
        tops = [top for top in (image, *_layers_of(image)) if top.exists()]
        return tuple(file for top in tops for file in layers.chain(top) if file.parent != image.parent)

    def settle_bases(self, image: Path, home: Path, find: Callable[[Path], Path]) -> None:
        layers.settle_bases(image, find, lambda base, path: name_for(base, path.parent, home))


def files_of(image: Path) -> tuple[Path, ...]:
    """The image, where there is one, and the files of its folder that it is backed by."""
    return tuple(_in_folder(image)) if image.exists() else ()


def _in_folder(top: Path) -> Iterator[Path]:
    yield top
    yield from (file for file in layers.chain(top) if file.parent == top.parent)


def _layers_of(image: Path) -> list[Path]:
    name = re.compile(rf"{re.escape(image.name)}\.[0-9]+")
    return [path for path in image.parent.glob(f"{image.name}.*") if name.fullmatch(path.name)]


def _identity(path: Path) -> tuple[int, int]:
    """The file itself, which may have two names."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _link(layer: Path, target: Path) -> None:
    """A second name, or a copy where the two are on two file systems."""
    try:
        target.hardlink_to(layer)
    except OSError:
        try:
            copy_reflink(layer, target)
        except OSError as error:
            raise DriverError(f"{layer} cannot be copied to {target}: {error.strerror}.") from error
