# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel tells of listeners, and what becomes of it."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from guest_program import PATIENCE, program
from test_guest_channel import conversation

from callao.guest import host_connection
from callao.guest.host_connection import GuestState
from callao.guest.listeners import bpf, scan_schedule
from callao.guest.listeners.bpf import BpfUnavailable, instruction
from callao.guest.listeners.listener_events import (
    WRITE_LENGTH,
    ListenerEvents,
    event_program,
    open_listener_events,
)
from callao.guest.listeners.scan_schedule import (
    BUSY_SHARE,
    CPU_CREDIT,
    EVENT_SCAN_DELAY,
    EVENT_SCAN_PAUSE,
    MAX_SCAN_DELAY,
    MAX_SCAN_INTERVAL,
    ScanSchedule,
)

WHOLE = 20.0
"""Seconds within which something that the kernel tells is told."""


def descriptors() -> list[str]:
    return sorted(each.name for each in Path("/proc/self/fd").iterdir())


def permitted() -> str:
    """Why this user and this kernel let nobody hear; empty where they do."""
    found, why = open_listener_events()
    if found is not None:
        found.close()
    return why


needs_kernel = pytest.mark.skipif(bool(permitted()), reason=f"no events here: {permitted()}")


@pytest.fixture
def heard() -> Iterator[Callable[[Callable[[], object]], bool]]:
    """Whether the kernel tells of what a call does; others of this machine are heard, too."""
    found = ListenerEvents()
    poll = select.poll()
    poll.register(found.descriptor, select.POLLIN)

    def by_events(act: Callable[[], object]) -> bool:
        found.drain()
        act()
        return bool(poll.poll(WHOLE * 1000)) and found.drain()

    yield by_events
    found.close()


@needs_kernel
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_the_kernel_tells_of_listeners_that_come_and_go(heard, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    tcp, udp = socket.socket(family), socket.socket(family, socket.SOCK_DGRAM)
    tcp.bind((address, 0))
    assert heard(tcp.listen)
    assert heard(tcp.close)
    assert heard(lambda: udp.bind((address, 0)))
    assert heard(udp.close)


@needs_kernel
def test_a_listener_that_was_never_bound_is_heard(heard):
    with socket.socket() as near:
        assert heard(near.listen)


@needs_kernel
def test_a_listener_of_another_network_namespace_is_heard(heard):
    code = "import socket; s = socket.socket(); s.listen()"
    argv = ["unshare", "--net", sys.executable, "-c", code]
    if subprocess.run(["unshare", "--net", "true"], check=False).returncode:
        pytest.skip("no network namespace for us")
    assert heard(lambda: subprocess.run(argv, check=True))


@needs_kernel
def test_connections_and_binds_of_tcp_are_not_told_of():
    """Else a busy server's guest would be woken by each client."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(200):  # others of this machine are heard: there is a quiet moment now and then
            found = ListenerEvents()
            with socket.create_connection(server.getsockname()) as near, socket.socket() as bound:
                server.accept()[0].close()
                bound.bind(("127.0.0.1", 0))
                near.close()
            told = found.drain()
            found.close()
            if not told:
                return
    pytest.fail("each of 200 connections was told of")


@needs_kernel
def test_connected_sockets_of_udp_are_not_told_of():
    """Each query for a name has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        for _ in range(200):  # others of this machine are heard: there is a quiet moment now and then
            found = ListenerEvents()
            for _ in range(5):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.connect(server.getsockname())
                    client.send(b"query")
            told = found.drain()
            found.close()
            if not told:
                return
    pytest.fail("each of 200 clients was told of")


@needs_kernel
def test_a_full_buffer_is_emptied_by_one_drain(heard):
    def open_many() -> None:
        for _ in range(1000):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
                near.bind(("127.0.0.1", 0))

    assert heard(open_many)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        assert heard(lambda: near.bind(("127.0.0.1", 0)))


def test_a_condition_leaps_over_all_that_writes_and_no_more():
    code = event_program(3, (), 1)
    size = len(instruction(0))
    assert code[WRITE_LENGTH * size :] == instruction(bpf.MOVE_IMMEDIATE, 0, immediate=1) + instruction(
        bpf.EXIT
    )


@pytest.mark.parametrize(
    ("machine", "words"), [("vax", "no number for vax"), ("armv7l", "no number for armv7l")]
)
def test_a_machine_whose_numbers_are_not_known_is_refused(monkeypatch, machine, words):
    monkeypatch.setattr(bpf.os, "uname", lambda: SimpleNamespace(machine=machine))
    with pytest.raises(BpfUnavailable, match=words):
        ListenerEvents()


def test_without_ctypes_it_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "ctypes", None)
    with pytest.raises(BpfUnavailable, match="ctypes"):
        ListenerEvents()


def test_what_the_kernel_refuses_is_said_with_its_word(monkeypatch):
    monkeypatch.setattr(bpf, "MAP_CREATE", 9999)
    before = descriptors()
    found, why = open_listener_events()
    assert found is None
    assert "the kernel refuses a ring buffer: " in why
    assert descriptors() == before


@needs_kernel
def test_without_cgroup_v2_it_is_refused_and_nothing_is_left(tmp_path: Path):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"proc /proc proc rw 0 0\ncgroup2 {tmp_path}/none cgroup2 rw 0 0\n")
    before = descriptors()
    with pytest.raises(BpfUnavailable, match="cgroup v2 is not mounted"):
        ListenerEvents(str(mounts))
    assert descriptors() == before


@needs_kernel
def test_the_host_is_told_by_the_kernel_s_word_alone(monkeypatch):
    monkeypatch.setattr(scan_schedule, "MAX_SCAN_INTERVAL", 3600.0)
    work = GuestState()
    with conversation(work) as (_, host):
        hello = host.expect("hello")
        assert (hello["hears"], hello["deaf"]) == (True, "")
        host.expect("listeners")
        with socket.create_server(("127.0.0.1", 0)) as server:
            listener = ("tcp", "127.0.0.1", server.getsockname()[1], "socket")
            while listener not in host.listeners:
                host.next()
        while listener in host.listeners:
            host.next()
    work.close()


def test_where_the_kernel_tells_nothing_there_are_looks(monkeypatch):
    monkeypatch.setattr(host_connection, "open_listener_events", lambda: (None, "lockdown"))
    work = GuestState()
    with conversation(work) as (_, host):
        hello = host.expect("hello")
        assert (hello["hears"], hello["deaf"]) == (False, "lockdown")
        host.expect("listeners")
        with socket.create_server(("127.0.0.1", 0)) as server:
            listener = ("tcp", "127.0.0.1", server.getsockname()[1], "socket")
            while listener not in host.listeners:
                host.next()
    work.close()


def test_somebody_without_rights_gets_looks():
    prefix = []
    with TemporaryDirectory(dir="/tmp") as folder:  # pytest's own folders are for their user alone
        if os.geteuid() == 0:
            Path(folder).chmod(0o777)
            prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        with (
            program(Path(folder), python="/usr/bin/python3", prefix=prefix) as running,
            running.connected() as host,
        ):
            hello = host.expect("hello")
    assert hello["hears"] is False
    assert "Operation not permitted" in hello["deaf"]


def stirred_without_end(pace: ScanSchedule, cost: float, seconds: float) -> tuple[int, float]:
    """How often it looks, each time for ``cost`` seconds of CPU, and which share of one CPU this takes."""
    now, looks = 0.0, 0
    pace.scanned(now, changed=True, cost=cost)
    while now < seconds:
        pace.event_received(now)
        now = max(now, pace.next)
        assert pace.is_due(now, True)
        now += cost
        looks += 1
        pace.scanned_for_event(now, cost)
    return looks, looks * cost / now


@pytest.mark.parametrize("cost", [0.0005, 0.002, 0.02, 0.1, 0.4])
def test_what_stirs_without_end_takes_no_more_than_its_share(cost):
    _, share = stirred_without_end(ScanSchedule(0.0, by_events=True), cost, 600.0)
    most = max(BUSY_SHARE, cost / MAX_SCAN_DELAY)
    assert share <= most + (CPU_CREDIT + cost) / 600.0


def test_looks_that_cost_little_follow_one_another_at_rests():
    looks, _ = stirred_without_end(ScanSchedule(0.0, by_events=True), 0.0001, 60.0)
    assert looks == pytest.approx(60.0 / (EVENT_SCAN_PAUSE + 0.0001), rel=0.05)


def test_a_listener_after_a_quiet_time_is_looked_for_at_once():
    pace = ScanSchedule(0.0, by_events=True)
    pace.scanned(0.0, changed=False, cost=0.02)
    assert pace.wait(0.0) == pytest.approx(MAX_SCAN_INTERVAL)
    pace.event_received(3.0)
    assert pace.wait(3.0) == pytest.approx(EVENT_SCAN_DELAY)
    assert pace.is_due(3.0 + EVENT_SCAN_DELAY, True)


def test_a_few_dozen_listeners_one_after_another_are_each_looked_for_at_once():
    pace = ScanSchedule(0.0, by_events=True)
    now = 0.0
    for _ in range(40):
        now += 0.2
        pace.event_received(now)
        assert pace.next <= now + EVENT_SCAN_DELAY
        now = pace.next + 0.01
        pace.scanned_for_event(now, 0.01)


def test_a_look_by_the_kernel_s_word_is_followed_by_another():
    """A socket's release is told of before it is gone."""
    pace = ScanSchedule(0.0, by_events=True)
    pace.event_received(0.0)
    pace.scanned_for_event(0.01, 0.001)
    assert pace.wait(0.01) == pytest.approx(EVENT_SCAN_PAUSE)
    assert pace.is_due(0.01 + EVENT_SCAN_PAUSE, has_reason=False)
    pace.scanned(0.01 + EVENT_SCAN_PAUSE, changed=False, cost=0.001)
    assert pace.wait(0.01 + EVENT_SCAN_PAUSE) == pytest.approx(MAX_SCAN_INTERVAL)


def test_patience_is_longer_than_the_rarest_look():
    assert PATIENCE > MAX_SCAN_INTERVAL
