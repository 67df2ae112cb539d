# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks made, grown, freed and removed; each change by one run at a time, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from callao.atomic import make_file
from callao.config.sizes import ALLOWED, format_size, parse_size
from callao.disks import image
from callao.disks.ownership import held, must_be_free, owner_of
from callao.disks.paths import DiskPaths
from callao.disks.store import Disk, inspect
from callao.errors import DiskError, DiskInUse, DiskReferenced, ImageFormatError
from callao.images.formats import SECTOR, ImageFormat, detect_format


def size_of(text: str | int, option: str) -> int:
    """A disk's size in bytes, a whole number of sectors, from what a user writes.

    :param option: what the user calls it.
    :raises DiskError: when it is no size, or none that a disk can have.
    """
    try:
        size = parse_size(text)
    except ValueError:
        raise DiskError(f"{option}: {text!r} is no size (allowed: {ALLOWED}).") from None
    if size == 0:
        raise DiskError(f"{option}: {text!r}: a disk cannot have no bytes (allowed: {ALLOWED}, above 0).")
    return -(-size // SECTOR) * SECTOR


def form_named(text: str, option: str) -> ImageFormat:
    """:raises DiskError: for a format that a disk cannot have."""
    try:
        return ImageFormat(text)
    except ValueError:
        raise DiskError(
            f"{option}: {text!r} is no format of a disk (allowed: {', '.join(ImageFormat)})."
        ) from None


def create(name: str, home: Path, *, size: int, form: ImageFormat) -> Disk:
    """An empty disk.

    :raises DiskError: when there is one of that name, or it cannot be made; nothing is left then.
    """
    return _make(name, home, form, lambda fresh: image.create(fresh, form, size))


def import_file(name: str, home: Path, source: Path, *, form: ImageFormat | None = None) -> Disk:
    """A disk with the content of an image, which is checked, copied, and compared with the copy.

    :param form: the disk's format; the image's own by default.
    :raises DiskError: when there is a disk of that name, or the image cannot be read, is damaged, refers to
        other files or is of another format than qcow2 and raw; nothing is left then.
    """
    try:
        found = detect_format(source, str(source))
    except OSError as error:
        raise DiskError(f"{source} cannot be read: {error}.") from error
    except ImageFormatError as error:
        raise DiskError(error.message, hint=error.hint) from error
    if found is ImageFormat.RAW and source.stat().st_size % SECTOR:
        raise DiskError(f"{source} is no disk image: its size is not a multiple of {SECTOR} bytes.")
    wanted = form or found
    return _make(name, home, wanted, lambda fresh: image.convert(source, found, fresh, wanted))


def resize(name: str, home: Path, *, size: int) -> Disk:
    """Grow a disk that no machine has; one that has the size already stays as it is.

    :raises DiskNotFound: when there is none of that name.
    :raises DiskInUse: when a machine has it.
    :raises DiskError: when it has more bytes.
    """
    with held(name, home) as paths:
        disk = inspect(name, home)
        if size < disk.size:
            raise DiskError(
                f"disk {name!r} has {format_size(disk.size)} and cannot shrink to {format_size(size)}.",
                hint="Ask for at least what it has.",
            )
        must_be_free(paths, None, "resized")
        if size > disk.size:
            image.grow(paths.image, disk.format, size)
        return inspect(name, home)


def delete(name: str, home: Path, *, force: bool = False) -> None:
    """Remove a disk with its content.

    :param force: also one that an instance has, or that its lima.yaml lists.
    :raises DiskNotFound: when there is none of that name.
    :raises DiskInUse: when an instance has it, running or not.
    :raises DiskReferenced: when an instance's ``additionalDisks`` list it.
    """
    with held(name, home) as paths:
        if not paths.dir.exists():
            inspect(name, home)
        if not force:
            must_be_unused(paths, home)
        away = paths.dir.with_name(f".{name}.deleting")
        try:
            shutil.rmtree(away, ignore_errors=True)
            paths.dir.rename(away)
            shutil.rmtree(away)
        except OSError as error:
            raise DiskError(f"disk {name!r} cannot be deleted: {error}.") from error


def must_be_unused(paths: DiskPaths, home: Path) -> None:
    """For what takes a disk's content away.

    :raises DiskInUse: when an instance has it, running or not.
    :raises DiskReferenced: when an instance's ``additionalDisks`` list it.
    """
    owner = owner_of(paths)
    if owner is not None:
        raise DiskInUse(
            f"disk {paths.name!r} cannot be deleted: it is in use by instance {owner.name!r}.",
            hint="Stop that instance; where it is gone, unlock the disk first.",
        )
    must_be_free(paths, None, "deleted")
    if listing := listed_by(paths.name, home):
        raise DiskReferenced(
            f"disk {paths.name!r} is not deleted: additionalDisks of {', '.join(listing)} list it.",
            hint="Take it out of there first, or delete it with force.",
        )


def unlock(name: str, home: Path) -> bool:
    """Free a disk whose owner is gone; returns whether it was in use.

    :raises DiskNotFound: when there is none of that name.
    :raises DiskInUse: when a machine has it.
    """
    with held(name, home) as paths:
        inspect(name, home)
        if owner_of(paths) is None:
            return False
        must_be_free(paths, None, "unlocked")
        try:
            paths.owner.unlink(missing_ok=True)
        except OSError as error:
            raise DiskError(f"disk {name!r} cannot be unlocked: {error}.") from error
        return True


def listed_by(name: str, home: Path) -> list[str]:
    """The instances whose ``additionalDisks`` list the disk, as far as their lima.yaml can be read."""
    from callao.instances.references import instances_referring_to

    return instances_referring_to(name, home, "additionalDisks", _name_of)


def _name_of(entry: object) -> object:
    return entry.get("name") if isinstance(entry, dict) else entry


def _make(name: str, home: Path, form: ImageFormat, make: Callable[[Path], object]) -> Disk:
    """A folder with nothing but hidden files is what a run that was killed has left."""
    with held(name, home) as paths:
        if _has_content(paths.dir):
            raise DiskError(
                f"disk {name!r} exists already in {paths.dir}.", hint="Choose another name, or delete it."
            )
        try:
            paths.dir.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
            shutil.rmtree(paths.dir, ignore_errors=True)
            paths.dir.mkdir(mode=0o700)
            if form is ImageFormat.RAW:
                paths.raw.touch(mode=0o600)
            make_file(paths.image, partial(_private, make))
        except BaseException as error:
            shutil.rmtree(paths.dir, ignore_errors=True)
            if isinstance(error, OSError):
                raise DiskError(f"disk {name!r} cannot be made: {error}.") from error
            raise
        return inspect(name, home)


def _has_content(folder: Path) -> bool:
    try:
        return any(not each.name.startswith(".") and each.name != "raw" for each in folder.iterdir())
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return True


def _private(make: Callable[[Path], object], fresh: Path) -> None:
    make(fresh)
    fresh.chmod(0o600)
