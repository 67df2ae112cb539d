# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disks there are, and how each one is: the image itself says format and size.

A guest writes the bytes of a raw one, and could make another format of it, with files of this host in it. So
it is noted that an image is raw before a guest gets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callao.config.names import is_instance_name
from callao.disks.image import form_and_size, refuse_other_files
from callao.disks.ownership import owner_of
from callao.disks.paths import DiskPaths, disks_folder
from callao.errors import DiskError, DiskNotFound
from callao.images.formats import ImageFormat


@dataclass(frozen=True)
class Disk:
    """One disk as it is now; ``owner`` is the folder of the instance that has it, None while it is free."""

    paths: DiskPaths
    format: ImageFormat
    size: int
    owner: Path | None = None

    @property
    def name(self) -> str:
        return self.paths.name

    def summary(self) -> dict[str, Any]:
        """Plain values, as ``limactl disk list --json`` has them; ``size`` in bytes."""
        return {
            "name": self.name,
            "size": self.size,
            "format": self.format.value,
            "dir": str(self.paths.dir),
            "instance": self.owner.name if self.owner is not None else "",
            "instanceDir": str(self.owner) if self.owner is not None else "",
            "mountPoint": mount_point(self.name),
        }


def attachable(name: str, home: Path) -> Disk:
    """A disk that a guest is about to get.

    :raises DiskNotFound: when there is none of that name.
    :raises DiskError: when its image cannot be read, or refers to other files of this host.
    """
    disk = inspect(name, home)
    try:
        if disk.format is ImageFormat.RAW:
            disk.paths.raw.touch(mode=0o600)
        else:
            refuse_other_files(disk.paths.image)
    except OSError as error:
        raise DiskError(f"disk {name!r} cannot be attached: {error}.") from error
    return disk


def mount_point(name: str) -> str:
    """Where a guest mounts the disk."""
    return f"/mnt/lima-{name}"


def names(home: Path) -> list[str]:
    """The disks under ``home``, sorted.

    :raises DiskError: when their folder cannot be read.
    """
    folder = disks_folder(home)
    try:
        return sorted(each.name for each in folder.iterdir() if is_instance_name(each.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DiskError(f"the folder of the disks {folder} cannot be read: {error}.") from error


def inspect(name: str, home: Path) -> Disk:
    """:raises ConfigError: when ``name`` cannot be a disk's.

    :raises DiskNotFound: when there is none of that name.
    :raises DiskError: when its image cannot be read.
    """
    paths = DiskPaths.of(name, home)
    try:
        form, size = form_and_size(paths.image)
        if paths.raw.exists():
            form, size = ImageFormat.RAW, paths.image.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        if paths.dir.is_dir():
            raise DiskError(
                f"disk {name!r} has no image: {paths.image} does not exist.",
                hint=f"Delete the disk: callao disk delete --force {name}",
            ) from None
        known = ", ".join(names(home)) or "none"
        raise DiskNotFound(
            f"disk {name!r} does not exist in {disks_folder(home)} (existing: {known}).",
            hint=f"Create it: callao disk create {name} --size SIZE",
        ) from None
    except OSError as error:
        raise DiskError(f"disk {name!r}: {paths.image} cannot be read: {error}.") from error
    return Disk(paths, form, size, owner_of(paths))
