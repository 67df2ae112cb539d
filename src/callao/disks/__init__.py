# SPDX-License-Identifier: GPL-3.0-or-later
"""Additional disks: named images under ``LIMA_HOME/_disks`` that outlive instances, and who has which."""

from typing import TYPE_CHECKING

from callao.lazy import lazy_attributes

if TYPE_CHECKING:
    from callao.disks.paths import DiskPaths, check_disk_name
    from callao.disks.store import Disk, attachable, inspect, names

__all__ = ["Disk", "DiskPaths", "attachable", "check_disk_name", "inspect", "names"]

__getattr__ = lazy_attributes(
    __name__,
    {
        "paths": ("DiskPaths", "check_disk_name"),
        "store": ("Disk", "attachable", "inspect", "names"),
    },
)
