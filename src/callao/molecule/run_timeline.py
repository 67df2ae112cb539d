# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline of a scenario's run, beside Molecule's instance_config.yml, and the page that shows it.

The run begins with the step create that finds no instances, and reaches until destroy.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from callao.errors import CallaoError
from callao.molecule.names import TIMELINE, TIMELINE_PAGE
from callao.timeline import TimelineFile, box_timelines, render_page


def begin_timeline(record: Path) -> TimelineFile:
    """The timeline that create adds to; an older run's is removed.

    :param record: Molecule's instance_config.yml.
    """
    timeline = TimelineFile(record.with_name(TIMELINE))
    if not record.exists():
        with contextlib.suppress(OSError):
            timeline.path.unlink(missing_ok=True)
    return timeline


def existing_timeline(record: Path) -> TimelineFile | None:
    """The timeline that create has begun; none where it has not."""
    path = record.with_name(TIMELINE)
    return TimelineFile(path) if path.exists() else None


def write_timeline_page(timeline: TimelineFile) -> None:
    """Write the page anew. That it cannot be written is no failure of the scenario."""
    with contextlib.suppress(OSError, CallaoError):
        page = render_page(box_timelines(timeline.read()), "Molecule run")
        timeline.path.with_name(TIMELINE_PAGE).write_bytes(page)
