# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats an instance's events for people: ``web: sshd 27 s · cloud-init done 33 s``.

Private to the collection.
"""

from __future__ import annotations

import json

_STAGE_PHRASES = {
    "image": "image ready",
    "disk": "disk made",
    "driver": "machine started",
    "cloud-init": "cloud-init done",
    "first-boot": "first boot done",
    "stop": "stopped",
}
"""Phrases for completed stages whose name alone is not clear."""

_MIN_STEP = 0.1
"""The smallest progress, as a fraction, after which a stage is shown again."""


class ProgressFormatter:
    """Formats events as phrases, each of which is shown once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown: set[str] = set()
        self._fraction: dict[str, float] = {}

    def line(self, events: list[dict[str, object]]) -> str:
        """The new phrases of *events* as one line; empty when there are none."""
        phrases = [
            phrase for event in events if (phrase := self._phrase(event)) and phrase not in self._shown
        ]
        self._shown.update(phrases)
        return f"{self._name}: {' · '.join(dict.fromkeys(phrases))}" if phrases else ""

    def _phrase(self, event: dict[str, object]) -> str:
        stage = str(event.get("stage", ""))
        if event.get("state") == "done":
            return f"{_STAGE_PHRASES.get(stage, stage)}{_duration(event.get('seconds'))}"
        if event.get("state") == "failed":
            return f"{stage} failed{_duration(event.get('seconds'))}"
        fraction = event.get("fraction")
        if not isinstance(fraction, (int, float)) or fraction - self._fraction.get(stage, 0.0) < _MIN_STEP:
            return ""
        self._fraction[stage] = fraction
        return f"{stage} {fraction:.0%}"


def parse(text: str) -> list[dict[str, object]]:
    """The events in the lines of *text*; an incomplete last line is left out."""
    events = []
    for line in text.rpartition("\n")[0].splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # a login banner or other output of a shell
        if isinstance(event, dict) and "stage" in event:
            events.append(event)
    return events


def _duration(seconds: object) -> str:
    if not isinstance(seconds, (int, float)):
        return ""
    return f" {seconds:.0f} s" if seconds >= 1 else ""
