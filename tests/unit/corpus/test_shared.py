# SPDX-License-Identifier: GPL-3.0-or-later
"""The corpus of Lima's verdicts beside the project: collected where it is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.corpus import TOPICS, results
from unit.corpus.conftest import SHARED

DIFFERENT = {
    "values": {"comment-scalar-003"},  # a comment with a colon, which another case wants refused
    "locators": {"image-044", "base-061"},
}
"""By topic, the cases that are known to differ."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counter[str]]:
    """By topic, the cases that differ, and under "" how many agree."""
    counted: dict[str, Counter[str]] = {topic: Counter() for topic in TOPICS}
    for result in results(SHARED, Path(tmp_path_factory.mktemp("corpus"))):
        counted[result.topic]["" if result.agrees else result.id] += 1
    return counted


@pytest.mark.parametrize("topic", TOPICS)
def test_callao_agrees_with_lima(found: dict[str, Counter[str]], topic: str) -> None:
    assert set(found[topic]) - {""} <= DIFFERENT.get(topic, set())
