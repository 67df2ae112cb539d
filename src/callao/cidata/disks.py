# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of the guest's script for additional disks."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from importlib import resources

from callao.config.schema import AdditionalDisk
from callao.disks.guest import label, serial

_USUAL = "ext4"


def disk_script(disks: Iterable[AdditionalDisk]) -> str:
    """A shell script that formats each empty disk that may be formatted, grows its file system, and mounts
    it.

    It is idempotent, and reports on standard error what it cannot do.
    """
    calls = [f"{_call('prepare_disk', each)} || failed=1" for each in disks]
    return "\n".join([_functions(), "failed=0", *calls, 'exit "$failed"', ""])


def detach_script(disk: AdditionalDisk) -> str:
    """A shell script that unmounts a disk in the guest, before it is detached."""
    return f"{_functions()}\n{shlex.join(['let_go_of_disk', serial(disk.name)])}\n"


def disk_variables(disks: tuple[AdditionalDisk, ...]) -> dict[str, str]:
    """Lima's variables for scripts; devices are named by serial number, which does not depend on their
    order.
    """
    found = {"DISKS": str(len(disks))}
    for index, disk in enumerate(disks):
        found |= {
            f"DISK_{index}_NAME": disk.name,
            f"DISK_{index}_DEVICE": f"disk/by-id/virtio-{serial(disk.name)}",
            f"DISK_{index}_FORMAT": "true" if disk.format else "false",
            f"DISK_{index}_FSTYPE": disk.fs_type or "",
            f"DISK_{index}_FSARGS": " ".join(disk.fs_args),
        }
    return found


def _call(function: str, disk: AdditionalDisk) -> str:
    kind = disk.fs_type or _USUAL
    allowed = "yes" if disk.format else "no"
    return shlex.join(
        [function, disk.name, serial(disk.name), allowed, kind, label(disk.name, kind), *disk.fs_args]
    )


def _functions() -> str:
    return (resources.files("callao.cidata") / "scripts" / "disks.sh").read_text(encoding="utf-8")
