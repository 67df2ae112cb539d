# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math

import pytest

from callao.guest import log
from callao.guest.clock import synchronize
from callao.guest.frames import encode
from callao.guest.listeners.scan_schedule import (
    HEARD_SCAN_INTERVAL,
    LISTENERS_PER_MESSAGE,
    MAX_SCAN_INTERVAL,
    ListenerDiff,
    ScanSchedule,
    longest_interval,
)
from callao.guest.listeners.sockets import Listener
from callao.guest.log import warn

A, B = Listener("tcp", "127.0.0.1", 80), Listener("udp", "::", 53)


def test_quiet_doubles_the_interval_up_to_three_quarters_of_a_second():
    pace = ScanSchedule(0.0)
    assert pace.wait(0.0) == 0.0
    pace.scanned(0.0, True)
    waits = [pace.wait(0.0)]
    for _ in range(3):
        now = pace.next
        pace.unchanged(now)
        waits.append(pace.wait(now))
    assert waits == [0.25, 0.5, 0.75, 0.75]


def test_with_no_reason_a_look_comes_seldom():
    pace = ScanSchedule(0.0)
    assert pace.is_due(0.0, False)
    pace.scanned(0.0, False)
    assert not pace.is_due(4.9, False)
    assert pace.is_due(5.0, False)
    assert pace.is_due(0.5, True)


def test_a_request_hurries_a_look_but_never_delays_it():
    pace = ScanSchedule(0.0)
    pace.scanned(0.0, False)
    pace.expedite(0.1)
    assert pace.next == pytest.approx(0.35)
    pace.expedite(0.2)
    assert pace.next == pytest.approx(0.35)
    assert pace.is_due(pace.next, False)


def test_looks_that_cost_much_come_seldom():
    pace = ScanSchedule(0.0)
    pace.scanned(0.0, False, cost=0.015)
    assert not pace.is_due(2.9, True)
    assert pace.is_due(3.0, True)
    pace.scanned(0.0, True, cost=0.1)
    assert not pace.is_due(1.9, True)
    assert pace.is_due(2.0, True)
    pace.scanned(0.0, False, cost=60.0)
    assert not pace.is_due(4.9, True)
    assert pace.is_due(5.0, False)


def test_only_differences_are_told():
    news = ListenerDiff()
    assert news.messages({A}) == [{"type": "listeners", "added": [A], "removed": []}]
    assert news.messages({A}) == []
    assert news.messages({B}) == [{"type": "listeners", "added": [B], "removed": [A]}]


def test_that_nobody_listens_is_told_once():
    news = ListenerDiff()
    assert news.messages(set()) == [{"type": "listeners", "added": [], "removed": []}]
    assert news.messages(set()) == []


def test_a_host_that_forgot_is_told_everything():
    news = ListenerDiff()
    news.messages({A})
    news.reset()
    assert news.messages({A}) == [{"type": "listeners", "added": [A], "removed": []}]


def test_every_port_of_a_machine_fits_into_frames():
    everything = {
        Listener(proto, "ff02::1:ffff:ffff:ffff", port) for proto in ("tcp", "udp") for port in range(65536)
    }
    messages = ListenerDiff().messages(everything)
    assert len(messages) == -(-len(everything) // LISTENERS_PER_MESSAGE)
    assert sum(len(message["added"]) for message in messages) == len(everything)
    assert all(encode(message) for message in messages)


@pytest.mark.parametrize("behind", [5.0, -5.0])
def test_a_clock_that_is_off_is_stepped(behind):
    steps: list[float] = []
    answer = synchronize(int(1e18), read=lambda: 1e9 - behind, step=steps.append)
    assert answer == {"type": "timed", "offset": pytest.approx(behind), "stepped": True}
    assert steps == [1e9]


def test_a_clock_that_is_right_is_left_alone():
    steps: list[float] = []
    answer = synchronize(int(1e18), read=lambda: 1e9 - 0.9, step=steps.append)
    assert answer == {"type": "timed", "offset": pytest.approx(0.9), "stepped": False}
    assert steps == []


def test_a_clock_that_may_not_be_set_is_told():
    def refuse(_: float) -> None:
        raise PermissionError(1, "Operation not permitted")

    answer = synchronize(int(1e18), read=lambda: 0.0, step=refuse)
    assert not answer["stepped"]
    assert "not permitted" in answer["error"]


@pytest.mark.parametrize("now", [None, "today", 1.5, True, -1])
def test_what_is_no_time_sets_nothing(now):
    steps: list[float] = []
    assert "error" in synchronize(now, read=lambda: 0.0, step=steps.append)
    assert steps == []


def test_the_same_problem_is_told_once_a_minute(capsys, monkeypatch):
    monkeypatch.setattr(log, "_last_printed", {})
    for now in (0.0, 1.0, 59.0, 61.0):
        warn("no\nport", now)
    warn("another", 61.0)
    assert capsys.readouterr().err.splitlines() == [
        "lima-guestagent: no port",
        "lima-guestagent: no port",
        "lima-guestagent: another",
    ]


def test_a_scan_that_is_expedited_while_a_command_runs_is_not_waited_for_without_a_pause() -> None:
    pace = ScanSchedule(0.0, by_events=True)
    pace.scanned(0.0, changed=False, cost=0.02)  # so costly that the next scan with a reason is seconds away
    pace.expedite(0.0)
    now = pace.wait(0.0)
    assert now > 0
    if not pace.is_due(now, has_reason=True):
        pace.unchanged(now)
        assert pace.wait(now) > 0


def test_scans_without_a_reason_are_few_where_the_kernel_tells_of_all() -> None:
    pace = ScanSchedule(0.0, by_events=True)
    pace.scanned(0.0, changed=False, cost=0.02, longest=HEARD_SCAN_INTERVAL)
    assert pace.wait(0.0) == HEARD_SCAN_INTERVAL
    pace.event_received(1.0)
    assert pace.wait(1.0) < 1.0


@pytest.mark.parametrize(
    ("generation", "cluster", "read_delay", "interval"),
    [
        (7, False, math.inf, HEARD_SCAN_INTERVAL),
        (None, False, math.inf, MAX_SCAN_INTERVAL),
        (7, True, math.inf, MAX_SCAN_INTERVAL),
        (7, False, 0.5, 0.5),  # rules that were not read yet
        (7, True, 90.0, MAX_SCAN_INTERVAL),
    ],
)
def test_what_the_kernel_does_not_tell_of_is_scanned_for(
    generation: int | None, cluster: bool, read_delay: float, interval: float
) -> None:
    assert longest_interval(generation, cluster, read_delay) == interval
