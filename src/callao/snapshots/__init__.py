# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments of a machine that it can return to, or that others can begin with."""

from callao.snapshots.record import Bound, Snapshot, differences
from callao.snapshots.store import check_snapshot_name, find, is_layer, listed, size

__all__ = [
    "Bound",
    "Snapshot",
    "check_snapshot_name",
    "differences",
    "find",
    "is_layer",
    "listed",
    "size",
]
