# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an additional disk keeps what: Lima's file names. Quick to import."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from callao.config.names import INSTANCE_ALLOWED, is_instance_name
from callao.errors import ConfigError, Problem


class DiskPaths(NamedTuple):
    """The files of one disk; nothing here touches the file system."""

    dir: Path

    @classmethod
    def of(cls, name: str, home: Path) -> DiskPaths:
        """:raises ConfigError: when ``name`` cannot be a disk's."""
        check_disk_name(name)
        return cls(disks_folder(home) / name)

    @property
    def name(self) -> str:
        return self.dir.name

    @property
    def image(self) -> Path:
        return self.dir / "datadisk"

    @property
    def owner(self) -> Path:
        """A symbolic link to the folder of the instance that has the disk; none while it is free."""
        return self.dir / "in_use_by"

    @property
    def raw(self) -> Path:
        """Ours: an empty file, there when the image is raw whatever its bytes say: a guest writes them."""
        return self.dir / "raw"


def disks_folder(home: Path) -> Path:
    return home / "_disks"


def check_disk_name(name: str) -> None:
    """:raises ConfigError: when ``name`` cannot be a disk's."""
    if not is_instance_name(name):
        raise ConfigError([Problem("name", name, "cannot be a disk's name", INSTANCE_ALLOWED)])
