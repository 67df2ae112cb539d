# SPDX-License-Identifier: GPL-3.0-or-later
"""Saved states of machines: snapshots of an instance, and warm machines that new instances start from."""

from callao.snapshots.disks import refuse_changed_disks, refuse_unsupported_disks
from callao.snapshots.layers import sweep_disk_layers, sweep_layers
from callao.snapshots.record import RequiredMachine, Snapshot, command_line_differences
from callao.snapshots.store import check_snapshot_name, find, list_snapshots, size, unreadable_snapshots
from callao.snapshots.summary import summary

__all__ = [
    "RequiredMachine",
    "Snapshot",
    "check_snapshot_name",
    "command_line_differences",
    "find",
    "list_snapshots",
    "refuse_changed_disks",
    "refuse_unsupported_disks",
    "size",
    "summary",
    "sweep_disk_layers",
    "sweep_layers",
    "unreadable_snapshots",
]
