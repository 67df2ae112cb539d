# SPDX-License-Identifier: GPL-3.0-or-later
"""How a guest mounts a shared device: its tag, and the options of mount(8). Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from callao.config.schema import Arch, Config, Mount, MountType, VMType

ROSETTA_TAG = "vz-rosetta"
"""Lima's name of the share that has it."""

DEVICE_TYPES = frozenset({MountType.P9, MountType.VIRTIOFS, MountType.WSL2})
"""Mount types that are devices of the machine, as WSL's drives are for a distribution; the hypervisor has no
part in the others."""


@dataclass(frozen=True)
class GuestMount:
    """``mount -t TYPE -o OPTIONS SOURCE POINT``."""

    type: str
    source: str
    point: str
    options: str


def mount_tag(mount: Mount) -> str:
    """The mount's device tag, as in Lima: a hash of location and mount point, because tags have at most 31
    bytes (virtio-v1.2, 5.11.4).
    """
    digest = hashlib.sha256(f"{mount.location}:{mount.mount_point}".encode()).hexdigest()
    return f"lima-{digest[:16]}"


def guest_mount(mount: Mount, kind: MountType) -> GuestMount:
    """The arguments of mount(8) for a type of :data:`DEVICE_TYPES`; see Documentation/filesystems/9p.rst."""
    options = ["rw" if mount.writable else "ro"]
    if kind is MountType.WSL2:
        return GuestMount("none", mount.location, mount.mount_point, ",".join(["bind", *options]))
    if kind is MountType.P9:
        options += [
            "trans=virtio",
            f"version={mount.p9.protocol_version}",
            f"msize={mount.p9.msize}",
            f"cache={mount.p9.cache}",
        ]
    return GuestMount(kind.value, mount_tag(mount), mount.mount_point, ",".join(options))


def device_mounts(config: Config) -> tuple[Mount, ...]:
    """The mounts that the machine is started with as devices."""
    return config.mounts if config.mount_type in DEVICE_TYPES and not config.plain else ()


def has_rosetta(config: Config) -> bool:
    """Whether Apple's translator of x86-64 programs is shared: only Apple's own processors have it."""
    wanted = config.vm_type is VMType.VZ and config.vm_opts.vz.rosetta.enabled
    return wanted and config.arch is Arch.AARCH64
