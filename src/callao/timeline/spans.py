# SPDX-License-Identifier: GPL-3.0-or-later
"""The time that each stage of an instance took, from its events. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from callao.events import Event, EventState, Stage
from callao.printable import printable
from callao.timeline.record import Entry

RUNNING = "running"
"""The name of the span between ready and the end."""

_LATEST = 1e11
"""Seconds since the epoch; a later time is damaged."""


@dataclass(frozen=True)
class Span:
    """What one stage took, in seconds since the epoch. ``running`` is the time after the boot."""

    stage: str
    begin: float
    end: float
    failed: bool = False
    message: str = ""

    @property
    def seconds(self) -> float:
        return self.end - self.begin


@dataclass(frozen=True)
class BoxTimeline:
    """One instance: ``boots`` has the spans of each start, ``spans`` all, ``events`` what was recorded."""

    name: str
    spans: tuple[Span, ...]
    boots: tuple[tuple[Span, ...], ...]
    events: tuple[Event, ...]


def box_timelines(entries: Iterable[Entry], now: Mapping[str, float] | None = None) -> list[BoxTimeline]:
    """The timeline of each instance, in the order in which they first appear.

    :param now: the present time for each instance that runs, which its last span reaches to.
    """
    events: dict[str, list[Event]] = {}
    for each in entries:
        if math.isfinite(each.event.time) and 0 <= each.event.time < _LATEST:
            events.setdefault(printable(each.box), []).append(each.event)
    return [
        _timeline(name, sorted(own, key=lambda each: each.time), (now or {}).get(name, 0.0))
        for name, own in events.items()
    ]


def _timeline(name: str, events: list[Event], now: float) -> BoxTimeline:
    recorder = _Recorder()
    for each in events:
        recorder.add(each)
    recorder.finish(now)
    boots = tuple(tuple(boot) for boot in recorder.boots if boot)
    return BoxTimeline(name, tuple(recorder.spans), boots, tuple(events))


@dataclass
class _Recorder:
    """Stages follow one another: one begins where the one before it ended, unless it says when it began."""

    spans: list[Span] = field(default_factory=list)
    boots: list[list[Span]] = field(default_factory=lambda: [[]])
    last: float | None = None
    """The time up to which the spans reach; None before the first event, and while the instance is off."""
    begun: dict[Stage, float] = field(default_factory=dict)
    ready_since: float | None = None
    latest: float = 0.0

    def add(self, event: Event) -> None:
        self.latest = event.time
        if self.last is None:
            self.last = self._begin_of(event)
        if event.state is EventState.BEGUN:
            self.begun[event.stage] = event.time
        elif event.state is EventState.DONE:
            self._end(event, failed=False)
        elif event.state is EventState.FAILED:
            self._end(event, failed=True)
            self.boots.append([])
            self.last = None

    def finish(self, now: float) -> None:
        """What runs on is recorded until its last event, or until ``now``."""
        end = max(self.latest, now)
        if self.ready_since is not None and end > self.ready_since:
            self.spans.append(Span(RUNNING, self.ready_since, end))

    def _begin_of(self, event: Event) -> float:
        """When the run of this event began."""
        earliest = self.spans[-1].end if self.spans else 0.0
        lasted = event.seconds if event.seconds is not None and event.seconds >= 0 else 0.0
        return min(event.time, max(earliest, event.time - lasted))

    def _end(self, event: Event, *, failed: bool) -> None:
        assert self.last is not None
        ran = self.ready_since is not None
        # While the instance runs, an event that does not say when it began took no time.
        begin = max(self.last, self.begun.pop(event.stage, event.time if ran else self.last))
        if self.ready_since is not None:
            if begin > self.ready_since:
                self.spans.append(Span(RUNNING, self.ready_since, begin))
            self.ready_since = None
        message = "" if event.stage is Stage.READY else event.message
        span = Span(event.stage.value, begin, event.time, failed, message)
        self.spans.append(span)
        if event.stage is Stage.STOP:
            if not failed:
                self.boots.append([])
                self.last = None
            return
        self.last = event.time
        if ran:
            self.ready_since = event.time
            return
        self.boots[-1].append(span)
        if not failed and event.stage is Stage.READY:
            self.ready_since = event.time
            self.boots.append([])
