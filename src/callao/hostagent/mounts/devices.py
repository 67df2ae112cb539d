# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts a mount of lima.yaml to the device that the driver makes."""

from __future__ import annotations

from pathlib import Path

from callao.config import MountType
from callao.config.schema import Mount
from callao.config.shares import mount_tag
from callao.drivers import DeviceShare
from callao.errors import DriverError


def device_share(mount: Mount, kind: MountType) -> DeviceShare:
    """The device of a mount whose type is in :data:`callao.config.shares.DEVICE_TYPES`."""
    return DeviceShare(
        tag=mount_tag(mount),
        type=kind,
        location=mount.location,
        writable=mount.writable,
        security_model=mount.p9.security_model,
        queue_size=mount.virtiofs.queue_size,
    )


def refuse_missing(location: str, option: str) -> None:
    """:raises DriverError: when ``location`` is not a directory."""
    if not Path(location).is_dir():
        raise DriverError(
            f"{option}: {location!r} is not a directory of this host.",
            hint="Create it, or remove it from the configuration.",
        )
