# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of :mod:`callao.disks.layers`: a layer is the tar of the exported distribution.

It takes the time and the space of the whole file system, for WSL has no other way to keep a state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from callao.drivers.wsl2.distribution import copy_tar, distribution_of
from callao.errors import DriverError
from callao.instances import InstancePaths


class ExportedLayers:
    """Of instances' own disks: a distribution has no additional ones."""

    def freeze(self, images: Sequence[Path]) -> list[str]:
        made: list[Path] = []
        try:
            for image in images:
                layer = _next(image)
                distribution_of(InstancePaths(image.parent)).export(layer)
                made.append(layer)
        except BaseException:
            for layer in made:
                layer.unlink(missing_ok=True)
            raise
        return [layer.name for layer in made]

    def revert(self, layers: Mapping[Path, str]) -> None:
        for image, layer in layers.items():
            if not (image.parent / layer).exists():
                raise DriverError(f"the layer {image.parent / layer} does not exist.")
        for image, layer in layers.items():
            copy_tar(image.parent / layer, image)

    def share(self, image: Path, layer: str, other: Path) -> None:
        copy_tar(image.parent / layer, other)

    def sweep(self, image: Path, needed: Iterable[str]) -> None:
        kept = set(needed)
        for layer in _layers_of(image):
            if layer.name not in kept:
                layer.unlink(missing_ok=True)

    def bases(self, image: Path) -> tuple[Path, ...]:  # noqa: ARG002 - a tar is backed by nothing
        return ()

    def repair_backing_files(self, image: Path, home: Path, find: Callable[[Path], Path]) -> None:
        """A tar is backed by nothing."""


def _next(image: Path) -> Path:
    numbers = [int(layer.suffix[1:]) for layer in _layers_of(image)]
    return image.with_name(f"{image.name}.{max(numbers, default=0) + 1}")


def _layers_of(image: Path) -> Iterator[Path]:
    name = re.compile(rf"{re.escape(image.name)}\.[0-9]+")
    return (path for path in list(image.parent.glob(f"{image.name}.*")) if name.fullmatch(path.name))
