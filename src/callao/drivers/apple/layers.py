# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of :mod:`callao.disks.layers` for raw disks: a layer is a whole copy of the disk.

A copy takes no space where the file system clones files, as APFS does. A qcow2 disk is not of this kind: its
layers are files that it is backed by, which QEMU's driver keeps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from callao.atomic import make_file
from callao.errors import DriverError
from callao.reflink import copy_reflink

_QCOW2 = b"QFI\xfb"


class CopiedLayers:
    """Of any disk that is one file."""

    def freeze(self, images: Sequence[Path]) -> list[str]:
        made: list[Path] = []
        for image in images:
            _refuse_qcow2(image)
        try:
            for image in images:
                layer = _next(image)
                _copy(image, layer)
                made.append(layer)
        except BaseException:
            for layer in made:
                layer.unlink(missing_ok=True)
            raise
        return [layer.name for layer in made]

    def revert(self, layers: Mapping[Path, str]) -> None:
        for image, layer in layers.items():
            _refuse_qcow2(image)
            if not (image.parent / layer).exists():
                raise DriverError(f"the layer {image.parent / layer} does not exist.")
        for image, layer in layers.items():
            _copy(image.parent / layer, image)

    def share(self, image: Path, layer: str, other: Path) -> None:
        _copy(image.parent / layer, other.parent / layer)
        _copy(image.parent / layer, other)

    def sweep(self, image: Path, needed: Iterable[str]) -> None:
        if _is_qcow2(image):
            return
        kept = set(needed)
        for layer in _layers_of(image):
            if layer.name not in kept:
                layer.unlink(missing_ok=True)

    def bases(self, image: Path) -> tuple[Path, ...]:  # noqa: ARG002 - a copy is backed by nothing
        return ()

    def repair_backing_files(self, image: Path, home: Path, find: Callable[[Path], Path]) -> None:
        """A copy is backed by nothing."""


def _refuse_qcow2(image: Path) -> None:
    """:raises DriverError: for a disk that another driver has the layers of."""
    if _is_qcow2(image):
        raise DriverError(
            f"the disk {image} is qcow2, and a machine of this driver has raw disks.",
            hint="Import it as a raw disk: callao disk import NAME FILE --format raw",
        )


def _is_qcow2(image: Path) -> bool:
    try:
        with image.open("rb") as file:
            return file.read(len(_QCOW2)) == _QCOW2
    except OSError:  # as of one that is yet to be made
        return False


def _next(image: Path) -> Path:
    numbers = [int(layer.suffix[1:]) for layer in _layers_of(image)]
    return image.with_name(f"{image.name}.{max(numbers, default=0) + 1}")


def _layers_of(image: Path) -> Iterator[Path]:
    name = re.compile(rf"{re.escape(image.name)}\.[0-9]+")
    return (path for path in list(image.parent.glob(f"{image.name}.*")) if name.fullmatch(path.name))


def _copy(source: Path, target: Path) -> None:
    try:
        make_file(target, lambda fresh: copy_reflink(source, fresh))
    except OSError as error:
        raise DriverError(f"{source} cannot be copied to {target}: {error.strerror}.") from error
