# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws a Gantt chart as an SVG element: one row a stage, or one row an instance.

Texts and attributes are escaped by ElementTree when the page is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

_WIDTH, _LABEL, _RIGHT = 960, 200, 80
"""Units of the picture: all of it, the column of labels, and the margin for what follows the last bar."""

_ROW, _BAR, _AXIS = 22, 14, 24
_LABEL_LENGTH = 26
"""Characters of a label that are shown."""

_TICKS = 8
"""Largest number of intervals of the axis."""


@dataclass(frozen=True)
class Bar:
    """From ``begin`` to ``end``, in seconds since the chart's begin; ``kind`` is its class for CSS."""

    begin: float
    end: float
    kind: str
    title: str


@dataclass(frozen=True)
class Row:
    """``note`` is written after the last bar."""

    label: str
    bars: tuple[Bar, ...]
    note: str = ""


def gantt(rows: Sequence[Row], title: str) -> Element:
    """The chart, as wide as its place in the page."""
    longest = max((bar.end for row in rows for bar in row.bars), default=0.0) or 1.0
    scale = (_WIDTH - _LABEL - _RIGHT) / longest
    height = _AXIS + _ROW * len(rows)
    view = f"0 0 {_WIDTH} {height}"
    svg = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "viewBox": view, "role": "img"})
    SubElement(svg, "title").text = title
    for place in ticks(longest):
        x = _number(_LABEL + place * scale)
        SubElement(svg, "line", {"class": "grid", "x1": x, "x2": x, "y1": str(_AXIS - 6), "y2": str(height)})
        _text(svg, x, _AXIS - 10, seconds_text(place), "tick")
    for index, row in enumerate(rows):
        _draw_row(svg, row, _AXIS + _ROW * index, scale)
    return svg


def _draw_row(svg: Element, row: Row, top: int, scale: float) -> None:
    group = SubElement(svg, "g")
    SubElement(group, "title").text = row.label
    label = row.label if len(row.label) <= _LABEL_LENGTH else f"{row.label[: _LABEL_LENGTH - 1]}…"
    _text(group, str(_LABEL - 8), top + 15, label, "label")
    end = float(_LABEL)
    for bar in row.bars:
        x, width = _LABEL + bar.begin * scale, max(1.0, (bar.end - bar.begin) * scale)
        end = max(end, x + width)
        place = {"x": _number(x), "y": str(top + 4), "width": _number(width), "height": str(_BAR)}
        rect = SubElement(group, "rect", {"class": f"bar {bar.kind}", **place})
        SubElement(rect, "title").text = bar.title
    if row.note:
        _text(group, _number(end + 6), top + 15, row.note, "note")


def _text(parent: Element, x: str, y: int, words: str, kind: str) -> None:
    SubElement(parent, "text", {"class": kind, "x": x, "y": str(y)}).text = words


def ticks(longest: float) -> list[float]:
    """Round places on an axis from 0 to ``longest``."""
    step = 10.0**-3
    factors = (2.0, 2.5, 2.0)
    index = 0
    while longest / step > _TICKS:
        step *= factors[index % 3]
        index += 1
    return [step * each for each in range(int(longest / step) + 1)]


def seconds_text(seconds: float) -> str:
    """A duration, in the unit that people read it in."""
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h"


def _number(value: float) -> str:
    return f"{value:.1f}"
