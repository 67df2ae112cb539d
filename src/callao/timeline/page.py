# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of timelines: one HTML file without scripts, which refers to nothing outside of it.

It is written as XML that HTML parsers read the same way: every text of a guest, and every name, is escaped
by the serializer. The content security policy forbids scripts besides.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from callao.events import Event, EventState, Stage
from callao.printable import printable
from callao.timeline.chart import Bar, Row, gantt, seconds_text
from callao.timeline.spans import BoxTimeline, Span

_MAX_EVENTS = 500
"""Largest number of events of one instance that are listed; the last ones."""

_MAX_TEXT = 1000
"""Largest number of characters of a message."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_COLOURS = {
    "image": "#8d6e63", "disk": "#a1887f", "driver": "#5c6bc0", "identity": "#7e57c2", "sshd": "#29b6f6",
    "cloud-init": "#26a69a", "first-boot": "#26a69a", "provision": "#9ccc65", "mounts": "#ffca28",
    "probes": "#ffa726", "ready": "#66bb6a", "snapshot": "#ec407a", "stop": "#78909c", "running": "#c8e6c9",
}  # fmt: skip

_STYLE = """
:root { color-scheme: light dark; --text: #222; --weak: #667; --line: #ddd; --page: #fff; }
@media (prefers-color-scheme: dark) { :root { --text: #ddd; --weak: #99a; --line: #444; --page: #181a1d; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--text); background: var(--page);
  max-width: 1100px; margin: 2em auto; padding: 0 1em; }
svg { display: block; width: 100%; height: auto; font-size: 12px; }
svg text { fill: var(--text); } svg text.label { text-anchor: end; }
svg text.tick { text-anchor: middle; fill: var(--weak); font-size: 11px; }
svg text.note { fill: var(--weak); }
svg .grid { stroke: var(--line); }
svg .failed { fill: #e53935; }
table { border-collapse: collapse; width: 100%; margin: 1em 0; }
th, td { text-align: left; vertical-align: top; padding: .2em .6em; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tr.failed td { color: #e53935; } .weak { color: var(--weak); }
"""


def render_page(timelines: Sequence[BoxTimeline], title: str) -> bytes:
    """The page, in UTF-8."""
    html = Element("html", {"xmlns": "http://www.w3.org/1999/xhtml", "lang": "en"})
    head = SubElement(html, "head")
    SubElement(head, "meta", {"charset": "utf-8"})
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    _text(head, "title", title)
    colours = (f"svg .s-{stage} {{ fill: {colour}; }}" for stage, colour in _COLOURS.items())
    _text(head, "style", _STYLE + "\n".join(colours) + "\n")
    body = SubElement(html, "body")
    _text(body, "h1", title)
    if not timelines:
        _text(body, "p", "Nothing was recorded.")
    if len(timelines) > 1:
        _text(body, "h2", "All instances")
        body.append(_overview(timelines))
    for each in timelines:
        _section(body, each)
    return b"<!DOCTYPE html>\n" + tostring(html, encoding="unicode").encode("utf-8", "replace") + b"\n"


def _overview(timelines: Sequence[BoxTimeline]) -> Element:
    """Every instance on one axis of time."""
    begin = min((span.begin for each in timelines for span in each.spans), default=0.0)
    return gantt([Row(each.name, _bars(each.spans, begin)) for each in timelines], "All instances over time")


def _section(body: Element, timeline: BoxTimeline) -> None:
    section = SubElement(body, "section")
    _text(section, "h2", timeline.name)
    for number, boot in enumerate(timeline.boots, 1):
        begin = boot[0].begin
        what = f"Start {number} of {len(timeline.boots)}" if len(timeline.boots) > 1 else "Start"
        took = seconds_text(boot[-1].end - begin)
        _text(section, "h3", f"{what}: {_clock(begin)}, {'failed after ' if boot[-1].failed else ''}{took}")
        rows = [Row(each.stage, _bars([each], begin), seconds_text(each.seconds)) for each in boot]
        section.append(gantt(rows, f"{what} of {timeline.name} by stage"))
    if len(timeline.spans) > max(map(len, timeline.boots), default=0):  # more than one start
        _text(section, "h3", "Run")
        begin = timeline.spans[0].begin
        row = Row(timeline.name, _bars(timeline.spans, begin))
        section.append(gantt([row], f"{timeline.name} over time"))
    _events(section, timeline)


def _bars(spans: Iterable[Span], begin: float) -> tuple[Bar, ...]:
    return tuple(
        Bar(
            each.begin - begin, each.end - begin, "failed" if each.failed else f"s-{_class(each.stage)}",
            f"{each.stage}: {seconds_text(each.seconds)}{each.message and f': {_short(each.message)}'}",
        )
        for each in spans
    )  # fmt: skip


def _class(stage: str) -> str:
    return re.sub(r"[^a-z-]", "", stage)


def _events(section: Element, timeline: BoxTimeline) -> None:
    told = [each for each in timeline.events if each.state is not EventState.BEGUN]
    shown = told[-_MAX_EVENTS:]
    _text(section, "h3", "Events")
    if len(shown) < len(told):
        _text(section, "p", f"The last {len(shown)} of {len(told)}.").set("class", "weak")
    table = SubElement(section, "table")
    head = SubElement(table, "tr")
    for words in ("Time", "Stage", "State", "Message"):
        _text(head, "th", words)
    for each in shown:
        _event(table, each)


def _event(table: Element, event: Event) -> None:
    row = SubElement(table, "tr", {"class": "failed"} if event.state is EventState.FAILED else {})
    _text(row, "td", _clock(event.time)).set("class", "number")
    _text(row, "td", event.stage.value)
    _text(row, "td", event.state.value)
    message = "" if event.stage is Stage.READY else event.message
    _text(row, "td", _short(message) or "-")


def _text(parent: Element, tag: str, words: str) -> Element:
    """A child with a text. It has one always: HTML parsers do not take ``<td />`` for a whole element."""
    child = SubElement(parent, tag)
    child.text = printable(words) or "-"
    return child


def _short(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
