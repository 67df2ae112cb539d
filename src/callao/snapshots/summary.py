# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot as modules and commands return it: plain values with stable keys."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from callao.instances import InstancePaths
from callao.snapshots.record import Snapshot
from callao.snapshots.store import size


def summary(paths: InstancePaths, snapshot: Snapshot) -> dict[str, object]:
    """The summary, with ``created`` in UTC in ISO 8601, ``age`` in seconds, and ``size`` in bytes on the
    disk.
    """
    created = datetime.fromtimestamp(snapshot.created, UTC)
    return {
        "name": snapshot.name,
        "created": created.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "age": max(0, int(time.time() - snapshot.created)),
        "memory": snapshot.machine is not None,
        "size": size(paths, snapshot),
    }
