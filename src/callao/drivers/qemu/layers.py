# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of a disk: left behind as they are, with a new one on top that takes what is written.

The disk is ``disk``, whatever it stands on. Each layer has a second name, ``disk.N``, which is the one that
QEMU opens it by and that the layer above it has in its header: that name is never given to another file,
since QEMU opens a file by its name again when it goes on after a save.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from callao.atomic import put_in_place
from callao.drivers.qemu import disk
from callao.errors import DriverError

_DEEPEST = 1000
"""Files below a disk: each snapshot is one, and a circle has no end."""


def chain(path: Path) -> tuple[Path, ...]:
    """The files that a disk is on, from the nearest to the farthest; one that is raw is on nothing.

    :raises DriverError: when one of them cannot be read.
    """
    found: list[Path] = []
    while disk.is_qcow2(path) and (below := disk.backing_file(path)) is not None:
        if len(found) == _DEEPEST:
            raise DriverError(f"the disk {path} is backed by more than {_DEEPEST} files.")
        found.append(below)
        path = below
    return tuple(found)


def settle_bases(path: Path, find: Callable[[Path], Path], name_for: Callable[[Path, Path], str]) -> None:
    """Have each file below a disk be where ``find`` says that it is by now, under the name that
    ``name_for`` gives it.

    :raises DriverError: when a header cannot be read, or cannot be changed and is wrong.
    """
    for _ in range(_DEEPEST):
        if not disk.is_qcow2(path):
            return
        name, below = disk.backing_name(path), disk.backing_file(path)
        if below is None:
            return
        if "/" in name:
            found = find(below)
            wanted = name_for(found, path)
            right = below.exists() and below.samefile(found)
            if not right or (name.startswith("/") and not wanted.startswith("/")):
                try:
                    disk.rebase(path, wanted)
                except DriverError:  # as of a layer that two instances share, while the other one runs
                    if not right:
                        raise
            below = found
        path = below
    raise DriverError(f"the disk {path} is backed by more than {_DEEPEST} files.")


def named(path: Path) -> Path:
    """The second name of the disk as it is now.

    :raises DriverError: when it cannot be given one.
    """
    try:
        for each in path.parent.glob(f"{path.name}.*"):
            if each.suffix[1:].isdigit() and each.samefile(path):
                return each
        fresh = _free(path)
        fresh.hardlink_to(path)
    except OSError as error:
        raise DriverError(f"the disk {path} cannot be given a second name: {error}.") from error
    return fresh


def begin(path: Path) -> Path:
    """An empty layer on the disk, under its own name only; :func:`put_on_top` makes it the disk.

    :raises DriverError: with qemu-img's own words.
    """
    below = named(path)
    fresh = _free(path)
    disk.create_layer(fresh, below)
    return fresh


def put_on_top(fresh: Path, path: Path) -> None:
    """Have ``path`` be the layer ``fresh``, which no machine has open; there is a disk at every moment.

    :raises DriverError: when that cannot be; what was there is then as before.
    """
    try:
        stage(fresh, path)
        settle(path)
    except DriverError:
        fresh.unlink(missing_ok=True)
        raise


def stage(fresh: Path, path: Path) -> None:
    """Prepare ``fresh`` to be the disk ``path``, so that :func:`settle` needs no room for it.

    :raises DriverError: when that cannot be.
    """
    staging = _staged(path)
    try:
        staging.unlink(missing_ok=True)
        staging.hardlink_to(fresh)
    except OSError as error:
        raise _unmade(path, error) from error


def settle(path: Path) -> None:
    """Have ``path`` be the layer that was staged.

    :raises DriverError: when that cannot be; what was there is then as before.
    """
    try:
        put_in_place(_staged(path), path)
    except OSError as error:
        raise _unmade(path, error) from error


def _staged(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _unmade(path: Path, error: OSError) -> DriverError:
    return DriverError(f"the disk {path} cannot be made anew: {error}.")


def return_to(layer: Path, path: Path) -> None:
    """Have ``path`` be an empty disk on ``layer``.

    :raises DriverError: when that cannot be; what was there is then as before.
    """
    return_all([(layer, path)])


def leave_all(paths: Sequence[Path]) -> list[str]:
    """Keep disks that no machine has open as they are, and have each be an empty one on top: all, or none.

    :returns: the file names of what they were left as.
    :raises DriverError: when that cannot be; all are then as before.
    """
    left = [named(path) for path in paths]
    return_all(list(zip(left, paths, strict=True)))
    return [each.name for each in left]


def return_all(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Have each disk be an empty one on the layer before it in its pair: all, or none.

    :raises DriverError: when that cannot be; all are then as before.
    """
    fresh: list[Path] = []
    # Only where one may have to be put back: a disk that is not there yet has no name to return to.
    before = [named(path) for _, path in pairs] if len(pairs) > 1 else []
    settled = 0
    try:
        for layer, path in pairs:
            fresh.append(_free(path))
            disk.create_layer(fresh[-1], layer)
            stage(fresh[-1], path)
        for _, path in pairs:
            settle(path)
            settled += 1
    except BaseException:
        for (_, path), old in zip(pairs[:settled], before, strict=False):
            put_on_top(old, path)
        for each in fresh:
            each.unlink(missing_ok=True)
        raise


def _free(path: Path) -> Path:
    number = 1
    while (fresh := path.with_name(f"{path.name}.{number}")).exists():
        number += 1
    return fresh
