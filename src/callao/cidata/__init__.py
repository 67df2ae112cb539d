# SPDX-License-Identifier: GPL-3.0-or-later
"""The seed: cloud-init's NoCloud ISO of one instance, with the scripts that the guest runs at boot."""

from __future__ import annotations

from callao.cidata.content import instance_id, seed_files
from callao.cidata.disks import detach_script, disk_script
from callao.cidata.folder import write_folder
from callao.cidata.iso import write_iso
from callao.cidata.nics import forget_script, nic_script, settle_script
from callao.cidata.seed import Seed
from callao.cidata.variables import CONTAINERD_ARCHIVE

__all__ = [
    "CONTAINERD_ARCHIVE",
    "Seed",
    "detach_script",
    "disk_script",
    "forget_script",
    "instance_id",
    "nic_script",
    "seed_files",
    "settle_script",
    "write_folder",
    "write_iso",
]
