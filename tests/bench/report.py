# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline of a benchmark's instances, as a page under .cache/bench."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from bench.figures import say
from support.home import ROOT, Home

from callao.timeline import TimelineFile, box_timelines, render_page


@contextmanager
def reported(name: str, home: Home) -> Iterator[Home]:
    """The home with a timeline; at the end of the block its page is written."""
    folder = ROOT / ".cache/bench"
    folder.mkdir(parents=True, exist_ok=True)
    timeline = TimelineFile(folder / f"{name}.jsonl")
    timeline.path.unlink(missing_ok=True)
    try:
        yield replace(home, timeline=timeline)
    finally:
        if timeline.path.exists():
            page = timeline.path.with_suffix(".html")
            page.write_bytes(render_page(box_timelines(timeline.read()), f"Benchmark {name}"))
            say(f"  the starts by stage: {page}")
