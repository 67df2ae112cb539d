# SPDX-License-Identifier: GPL-3.0-or-later
"""A few rounds of tests/bench/storm.py."""

from __future__ import annotations

import random

from bench.storm import storm

ROUNDS = 3


def test_whatever_is_killed_each_instance_works_or_can_be_deleted_and_nothing_is_left() -> None:
    seed, told = random.SystemRandom().randrange(1 << 32), list[str]()
    storm(ROUNDS, seed, told.append)
    assert len(told) == ROUNDS
