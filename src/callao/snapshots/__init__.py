# SPDX-License-Identifier: GPL-3.0-or-later
"""Saved states of machines: snapshots of an instance, and warm machines that new instances start from."""

from callao.snapshots.disks import refuse_other, refuse_unkept
from callao.snapshots.layers import sweep, sweep_disk
from callao.snapshots.record import Bound, Snapshot, differences
from callao.snapshots.store import check_snapshot_name, find, listed, size, unreadable
from callao.snapshots.summary import summary

__all__ = [
    "Bound",
    "Snapshot",
    "check_snapshot_name",
    "differences",
    "find",
    "listed",
    "refuse_other",
    "refuse_unkept",
    "size",
    "summary",
    "sweep",
    "sweep_disk",
    "unreadable",
]
