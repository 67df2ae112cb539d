# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of a disk: a frozen layer is never written again, a new one on top of it receives the writes.

The active layer always has the name ``disk``. Each layer has a second name, ``disk.N``, by which QEMU opens
it and which the layer above it has in its header. That name is never given to another file, since QEMU opens
a file by its name again when it resumes after a save.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from callao.atomic import put_in_place
from callao.drivers.qemu.disks import qcow2
from callao.errors import DriverError

_MAX_CHAIN = 1000
"""Largest number of backing files of a disk: each snapshot adds one, and a cycle would never end."""


def backing_chain(path: Path) -> tuple[Path, ...]:
    """The backing files of a disk, from the nearest to the farthest; a raw disk has none.

    :raises DriverError: when one of them cannot be read.
    """
    files: list[Path] = []
    while qcow2.is_qcow2(path) and (below := qcow2.backing_file(path)) is not None:
        if len(files) == _MAX_CHAIN:
            raise DriverError(f"the disk {path} is backed by more than {_MAX_CHAIN} files.")
        files.append(below)
        path = below
    return tuple(files)


def repair_backing_files(
    path: Path, find: Callable[[Path], Path], name_for: Callable[[Path, Path], str]
) -> None:
    """Correct the backing files in the headers of a disk's chain.

    :param find: where a backing file is now.
    :param name_for: the name by which a file, the second argument, refers to a backing file.
    :raises DriverError: when a header cannot be read, or is wrong and cannot be changed.
    """
    for _ in range(_MAX_CHAIN):
        if not qcow2.is_qcow2(path):
            return
        name, below = qcow2.backing_name(path), qcow2.backing_file(path)
        if below is None:
            return
        if "/" in name:
            base = find(below)
            wanted_name = name_for(base, path)
            is_right = below.exists() and below.samefile(base)
            if not is_right or (name.startswith("/") and not wanted_name.startswith("/")):
                try:
                    qcow2.rename_backing_file(path, wanted_name)
                except DriverError:  # for example a layer that two instances share, while the other one runs
                    if not is_right:
                        raise
            below = base
        path = below
    raise DriverError(f"the disk {path} is backed by more than {_MAX_CHAIN} files.")


def layer_name(path: Path) -> Path:
    """The second name, ``disk.N``, of the disk's active layer; created if it has none.

    :raises DriverError: when it cannot be created.
    """
    try:
        for each in path.parent.glob(f"{path.name}.*"):
            if each.suffix[1:].isdigit() and each.samefile(path):
                return each
        new = _unused_path(path)
        new.hardlink_to(path)
    except OSError as error:
        raise DriverError(f"the disk {path} cannot be given a second name: {error}.") from error
    return new


def create_empty_layer(path: Path) -> Path:
    """Create an empty layer on the disk, with the name ``disk.N`` only; :func:`activate` makes it the disk.

    :raises DriverError: with qemu-img's message.
    """
    below = layer_name(path)
    new = _unused_path(path)
    qcow2.create_layer(new, below)
    return new


def activate(new: Path, path: Path) -> None:
    """Make ``path`` a name of the layer ``new``, which no machine has open. The name exists at every moment.

    :raises DriverError: when that fails; the disk is then unchanged.
    """
    try:
        stage(new, path)
        activate_staged(path)
    except DriverError:
        new.unlink(missing_ok=True)
        raise


def stage(new: Path, path: Path) -> None:
    """Prepare ``new`` to become the disk ``path``, so that :func:`activate_staged` needs no disk space.

    :raises DriverError: when that fails.
    """
    staging = _staging_path(path)
    try:
        staging.unlink(missing_ok=True)
        staging.hardlink_to(new)
    except OSError as error:
        raise _replace_error(path, error) from error


def activate_staged(path: Path) -> None:
    """Make ``path`` a name of the layer that was staged.

    :raises DriverError: when that fails; the disk is then unchanged.
    """
    try:
        put_in_place(_staging_path(path), path)
    except OSError as error:
        raise _replace_error(path, error) from error


def _staging_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _replace_error(path: Path, error: OSError) -> DriverError:
    return DriverError(f"the disk {path} cannot be replaced: {error}.")


def revert(layer: Path, path: Path) -> None:
    """Make ``path`` an empty overlay on ``layer``.

    :raises DriverError: when that fails; the disk is then unchanged.
    """
    revert_all([(layer, path)])


def freeze_all(paths: Sequence[Path]) -> list[str]:
    """Freeze the content of disks that no machine has open, and make each an empty overlay: all, or none.

    :returns: the file names of the frozen layers.
    :raises DriverError: when that fails; all disks are then unchanged.
    """
    frozen = [layer_name(path) for path in paths]
    revert_all(list(zip(frozen, paths, strict=True)))
    return [each.name for each in frozen]


def revert_all(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Make each disk an empty overlay on the layer in its pair (layer, disk): all, or none.

    :raises DriverError: when that fails; all disks are then unchanged.
    """
    new: list[Path] = []
    # Only needed to undo several: a single disk may not exist yet, and then has no name.
    previous = [layer_name(path) for _, path in pairs] if len(pairs) > 1 else []
    activated = 0
    try:
        for layer, path in pairs:
            new.append(_unused_path(path))
            qcow2.create_layer(new[-1], layer)
            stage(new[-1], path)
        for _, path in pairs:
            activate_staged(path)
            activated += 1
    except BaseException:
        for (_, path), old in zip(pairs[:activated], previous, strict=False):
            activate(old, path)
        for each in new:
            each.unlink(missing_ok=True)
        raise


def _unused_path(path: Path) -> Path:
    number = 1
    while (new := path.with_name(f"{path.name}.{number}")).exists():
        number += 1
    return new
