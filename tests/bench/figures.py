# SPDX-License-Identifier: GPL-3.0-or-later
"""How benchmarks time and print: medians, and ratios of what was measured side by side."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def say(text: str) -> None:
    """A line of progress, on standard error: standard output holds the figures."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def line(text: str) -> None:
    """A line of figures, on standard output."""
    print(text, flush=True)  # noqa: T201


def show(name: str, value: str, target: str, met: bool) -> None:
    """One figure beside its target."""
    print(f"{name:<58} {value:>16}   target {target:<12} {'met' if met else 'MISSED'}", flush=True)  # noqa: T201


def show_ratio(name: str, ours: list[float], theirs: list[float], most: float) -> None:
    """The ratio of two medians, taken in turn in this run."""
    a, b = statistics.median(ours), statistics.median(theirs)
    show(name, f"{a:.2f} s / {b:.2f} s = {a / b:.2f}x", f"<= {most}x", a / b <= most)
