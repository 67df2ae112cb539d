# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot that is restored before a role runs again, without destroy and create."""

from __future__ import annotations

from callao.errors import CallaoError
from callao.events import silent
from callao.host import Host
from callao.instances import InstancePaths
from callao.lifecycle.snapshots.ensure import SnapshotRequest, SnapshotState, ensure_snapshot
from callao.molecule.instance_config import RecordedInstance
from callao.snapshots import list_snapshots
from callao.timeline import TimelineFile


def ensure_taken(box: RecordedInstance, snapshot: str, timeline: TimelineFile | None = None) -> bool | str:
    """Take the snapshot if it does not exist; returns whether it was taken, or the error."""
    return _ensure(box, snapshot, SnapshotState.PRESENT, timeline)


def restore(box: RecordedInstance, snapshot: str, timeline: TimelineFile | None = None) -> bool | str:
    """Restore the snapshot; does nothing if it does not exist, as before ``molecule prepare``."""
    if snapshot not in [each.name for each in list_snapshots(InstancePaths(box.home / box.name))]:
        return False
    return _ensure(box, snapshot, SnapshotState.APPLIED, timeline)


def _ensure(
    box: RecordedInstance, snapshot: str, state: SnapshotState, timeline: TimelineFile | None
) -> bool | str:
    report = silent if timeline is None else timeline.reporter(box.name, silent)
    request = SnapshotRequest(instance=box.name, name=snapshot, state=state)
    try:
        return ensure_snapshot(
            request, home=box.home, host=Host.detect(), check=False, report=report
        ).changed
    except (CallaoError, OSError) as error:
        return str(error)
