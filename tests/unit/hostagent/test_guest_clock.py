# SPDX-License-Identifier: GPL-3.0-or-later
"""When a guest's clock is set, and when it is believed to be right."""

from __future__ import annotations

import time

import pytest

from callao.hostagent.channel.clock import GuestClock

SECOND = 1_000_000_000


def pong(off: float) -> dict[str, object]:
    return {"type": "pong", "id": 0, "time": time.time_ns() + int(off * SECOND)}


@pytest.mark.parametrize("off", [0, 0.5, -0.5])
def test_a_clock_that_is_right_is_left_alone(off: float) -> None:
    clock = GuestClock()
    clock.ping_message(0)
    assert clock.reply_to(pong(off)) is None
    assert clock.synchronized.is_set()


@pytest.mark.parametrize("off", [3600, 3, -3, -(10**6)])
def test_one_that_is_off_is_set(off: float) -> None:
    clock = GuestClock()
    clock.ping_message(0)
    said = clock.reply_to(pong(off))
    assert said is not None
    assert said["type"] == "time"
    assert abs(said["now"] - time.time_ns()) < SECOND
    assert not clock.synchronized.is_set()
    assert clock.reply_to({"type": "timed", "stepped": True}) is None
    assert clock.synchronized.is_set()


def test_one_that_was_set_late_is_asked_and_set_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = GuestClock()
    clock.time_message()
    later = time.time_ns() + 5 * SECOND
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert clock.reply_to({"type": "timed", "stepped": True}) == {"type": "ping", "id": 0}
    assert not clock.synchronized.is_set()
    again = clock.reply_to({"type": "pong", "id": 0, "time": later - 5 * SECOND})
    assert again is not None
    assert again["type"] == "time"
    assert clock.reply_to({"type": "timed", "stepped": True}) is None
    assert clock.synchronized.is_set()


def test_a_message_that_was_long_on_its_way_is_no_fault_of_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = GuestClock()
    clock.ping_message(0)
    said = pong(0)
    later = time.time_ns() + 8 * SECOND
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert clock.reply_to(said) is None


def test_a_guest_that_cannot_set_it_is_not_asked_for_ever() -> None:
    clock = GuestClock()
    clock.ping_message(0)
    assert clock.reply_to(pong(5)) is not None
    assert clock.reply_to({"type": "timed", "stepped": False, "error": "no permission"}) is None
    assert clock.synchronized.is_set()
