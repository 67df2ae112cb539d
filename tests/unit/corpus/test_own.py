# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of our own of each kind that a corpus of Lima's verdicts may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.corpus import TOPICS, cases

OWN = list(cases(Path(__file__).parent / "own"))


@pytest.mark.parametrize(("topic", "case"), OWN, ids=[f"{topic}-{case['id']}" for topic, case in OWN])
def test_callao_agrees_with_lima(topic: str, case: dict[str, Any], tmp_path: Path) -> None:
    wanted, given = TOPICS[topic](case, tmp_path / "files")
    assert given.fits(wanted), f"wanted {wanted}\ngiven  {given}"


def test_there_are_some_of_each_kind() -> None:
    assert {topic for topic, _ in OWN} == set(TOPICS)
