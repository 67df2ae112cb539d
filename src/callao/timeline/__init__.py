# SPDX-License-Identifier: GPL-3.0-or-later
"""Timelines of what happened to instances: recorded events, the spans between them, and pages of them."""

from callao.timeline.page import render_page
from callao.timeline.record import FILE_NAME, Entry, TimelineFile
from callao.timeline.spans import BoxTimeline, Span, box_timelines

__all__ = ["FILE_NAME", "BoxTimeline", "Entry", "Span", "TimelineFile", "box_timelines", "render_page"]
