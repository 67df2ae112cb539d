# SPDX-License-Identifier: GPL-3.0-or-later
"""Who carries which forward, and what happens when a port of the host is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.waiting import until

from callao.config import PortForward
from callao.drivers import Forward
from callao.errors import AgentError, PortTaken
from callao.hostagent.ports import forwarders, live_ports, port_forwarder
from callao.hostagent.ports.forwarders import SlirpForwarder, SshForwarder
from callao.hostagent.ports.port_events import PortEvents
from callao.hostagent.ports.port_forwarder import PortForwarder
from callao.ports import Listener, Preference, Transport, WantedForward


@dataclass
class Machine:
    """The hypervisor's side, and who else has ports of the host."""

    forwards: list[Forward] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)

    async def add_forward(self, forward: Forward) -> None:
        if forward.host_port in self.taken:
            raise PortTaken("taken", port=forward.host_port)
        self.forwards.append(forward)

    async def remove_forward(self, forward: Forward) -> None:
        self.forwards.remove(forward)


@dataclass
class Client:
    """ssh's side."""

    open: list[str] = field(default_factory=list)

    async def control(self, verb: str, _option: str, spec: str) -> None:
        if verb == "forward":
            self.open.append(spec)
        elif spec in self.open:
            self.open.remove(spec)
        else:
            raise AgentError("ssh -O cancel: no such forward")


@dataclass
class Inside:
    """The guest's program's side."""

    open_now: list[WantedForward] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)

    async def open(self, wanted: WantedForward) -> None:
        if wanted.host_port in self.taken:
            raise PortTaken("taken", port=wanted.host_port)
        self.open_now.append(wanted)

    async def close(self, wanted: WantedForward) -> None:
        self.open_now.remove(wanted)


@dataclass
class Scene:
    machine: Machine = field(default_factory=Machine)
    client: Client = field(default_factory=Client)
    inside: Inside = field(default_factory=Inside)
    prefer: Preference = Preference.QUICKEST
    told: list[dict[str, str]] = field(default_factory=list)
    changes: int = 0
    exposing: list[list[list[object]]] = field(default_factory=list)

    def forwarder(self, *rules: PortForward) -> PortForwarder:
        async def expose(ports: list[list[object]]) -> None:
            self.exposing.append(ports)

        def changed() -> None:
            self.changes += 1

        machine: Any = self.machine
        client: Any = self.client
        ways = {
            Transport.SLIRP: SlirpForwarder(machine),
            Transport.SSH: SshForwarder(client),
            Transport.AGENT: self.inside,
        }
        news = PortEvents(self.told.append, changed, Path("/sockets"))
        return PortForwarder(
            ways, rules, 60022, expose, news, self.prefer, guest_address="192.168.5.15", enabled=True
        )

    def kinds(self) -> list[str]:
        return [each["type"] for each in self.told]


async def news(ports: PortForwarder, added: list[Listener], removed: list[Listener]) -> None:
    ports.change_listeners(added, removed)
    await ports.update_until_stable()


async def exposes(ports: PortForwarder, *exposed: tuple[str, int]) -> None:
    ports.set_exposed(exposed)
    await ports.update_until_stable()


OPEN, LOOPBACK = Listener("tcp", "0.0.0.0", 8080), Listener("tcp", "127.0.0.1", 8081)


@pytest.fixture(autouse=True)
def _every_port_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (forwarders, port_forwarder):
        monkeypatch.setattr(module, "is_free", lambda *_: True)
    monkeypatch.setattr(port_forwarder, "port_holder", lambda *_: "")


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_the_hypervisor_carries_what_is_open_and_the_guests_program_what_is_not() -> None:
    scene = Scene()

    async def work() -> None:
        ports = scene.forwarder()
        await news(ports, [OPEN, LOOPBACK], [])
        assert [each.host_port for each in scene.machine.forwards] == [8080]
        assert [each.host_port for each in scene.inside.open_now] == [8081]
        await news(ports, [], [OPEN, LOOPBACK])
        assert (scene.machine.forwards, scene.inside.open_now, ports.active) == ([], [], {})

    run(work())
    assert scene.exposing[0] == [["tcp", 8081]]


def test_where_the_hypervisor_forwards_nothing_the_guests_program_carries_all() -> None:
    scene = Scene()

    async def work() -> None:
        ports = scene.forwarder()
        ports.forwarders = {Transport.AGENT: scene.inside}
        await news(ports, [OPEN, LOOPBACK], [])
        assert [each.host_port for each in scene.inside.open_now] == [8080, 8081]

    run(work())
    assert (scene.machine.forwards, scene.exposing) == ([], [[]])


def test_what_the_guest_exposes_moves_to_the_hypervisor() -> None:
    scene = Scene()

    async def work() -> None:
        ports = scene.forwarder()
        await news(ports, [LOOPBACK], [])
        await exposes(ports, ("tcp", 8081))
        assert list(ports.active.values()) == [Transport.SLIRP]
        assert (len(scene.machine.forwards), scene.inside.open_now) == (1, [])
        await exposes(ports)
        assert (scene.machine.forwards, len(scene.inside.open_now)) == ([], 1)

    run(work())


def test_ssh_carries_all_of_tcp_where_the_user_says_so() -> None:
    scene = Scene(prefer=Preference.SSH)

    async def work() -> None:
        ports = scene.forwarder()
        await news(ports, [OPEN, LOOPBACK, Listener("udp", "0.0.0.0", 9000)], [])
        assert {each.proto: way for each, way in ports.active.items()} == {
            "tcp": Transport.SSH,
            "udp": Transport.SLIRP,
        }
        assert scene.client.open == ["127.0.0.1:8080:127.0.0.1:8080", "127.0.0.1:8081:127.0.0.1:8081"]
        await ports.close()
        assert scene.client.open == []

    run(work())


def test_a_taken_port_is_told_once_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(Machine(taken={8080}))
    monkeypatch.setattr(port_forwarder, "_RETRY_INTERVAL", 0.01)
    monkeypatch.setattr(port_forwarder, "port_holder", lambda *_: "nginx (pid 812)")
    monkeypatch.setattr(port_forwarder, "is_free", lambda *_: not scene.machine.taken)

    async def work() -> None:
        ports = scene.forwarder()
        await news(ports, [OPEN], [])
        await ports.update()
        assert list(ports.failed.values()) == ["tcp port 8080 on 127.0.0.1 is taken by nginx (pid 812)"]
        scene.machine.taken.clear()
        await until(lambda: bool(ports.active))
        assert ports.failed == {}
        await until(lambda: ports.retry is None)

    run(work())
    ends = {"protocol": "tcp", "guestAddr": "0.0.0.0:8080", "hostAddr": "127.0.0.1:8080"}
    assert scene.told == [
        {"type": "failed", **ends, "error": "tcp port 8080 on 127.0.0.1 is taken by nginx (pid 812)"},
        {"type": "forwarding", **ends},
    ]


def test_what_the_machine_holds_since_its_start_is_left_to_it_but_for_the_loopback() -> None:
    """What it holds leads to the guest's NIC; a loopback server needs another meanwhile."""
    held = Forward("tcp", "127.0.0.1", 8081, 8081)
    scene = Scene(Machine([held]))

    async def work() -> None:
        ports = scene.forwarder()
        ports.static_ends = frozenset({("tcp", "127.0.0.1", 8080), ("tcp", "127.0.0.1", 8081)})
        await news(ports, [OPEN], [])
        assert ports.active == {}
        await news(ports, [LOOPBACK], [])
        assert (scene.machine.forwards, len(scene.inside.open_now)) == ([], 1)
        await news(ports, [], [LOOPBACK])
        assert (scene.machine.forwards, scene.inside.open_now) == ([held], [])
        await exposes(ports, ("tcp", 8081))
        await news(ports, [LOOPBACK], [])
        assert (scene.machine.forwards, ports.active) == ([held], {})

    run(work())


def test_what_the_machine_holds_is_not_lost_where_no_other_can_take_its_place() -> None:
    held = Forward("tcp", "127.0.0.1", 8081, 8081)
    scene = Scene(Machine([held]), inside=Inside(taken={8081}))

    async def work() -> None:
        ports = scene.forwarder()
        ports.static_ends = frozenset({("tcp", "127.0.0.1", 8081)})
        await news(ports, [LOOPBACK], [])
        await ports.close()

    run(work())
    assert scene.machine.forwards == [held]
    assert scene.kinds() == ["failed"]


def test_nothing_is_forwarded_before_the_guest_lets_us_in_and_all_again_after_a_break() -> None:
    scene = Scene(prefer=Preference.SSH)
    datagrams = Listener("udp", "0.0.0.0", 9000)

    async def work() -> None:
        ports = scene.forwarder()
        ports.enabled = False
        await news(ports, [OPEN, datagrams], [])
        assert ports.active == {}
        await ports.open()
        assert len(ports.active) == 2
        scene.client.open.clear()
        await ports.open()
        assert len(scene.client.open) == 1
        assert len(scene.machine.forwards) == 1

    run(work())


def test_an_added_rule_goes_before_the_others() -> None:
    scene = Scene()

    async def work() -> None:
        ports = scene.forwarder()
        ports.added_rules = [PortForward(guest_port_range=(8080, 8080), host_port_range=(9090, 9090))]
        await news(ports, [OPEN], [])
        assert [each.host_port for each in scene.machine.forwards] == [9090]

    run(work())


def test_there_is_an_end_to_forwards_and_those_that_there_are_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_forwarder, "MAX_FORWARDS", 3)
    scene, notices = Scene(), []

    async def work() -> None:
        ports = scene.forwarder()
        ports.notice = notices.append
        await news(ports, [Listener("tcp", "0.0.0.0", 9000)], [])
        many = [Listener("tcp", "0.0.0.0", port) for port in range(8000, 8010)]
        await news(ports, many, [])
        await news(ports, [Listener("udp", "0.0.0.0", 7000)], [])
        assert sorted(each.host_port for each in scene.machine.forwards) == [8000, 8001, 9000]
        await news(ports, [], many)
        assert sorted(each.host_port for each in scene.machine.forwards) == [7000, 9000]
        await news(ports, many, [])

    run(work())
    assert [each.partition(":")[0] for each in notices] == [
        "The guest's listeners want 11 forwards",
        "The guest's listeners want 12 forwards",
    ]


def test_there_is_an_end_to_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_forwarder, "MAX_LISTENERS", 100)
    scene, notices = Scene(), []

    async def work() -> None:
        ports = scene.forwarder()
        ports.notice = notices.append
        for port in range(1, 65536, 100):
            ports.change_listeners([Listener("tcp", "0.0.0.0", port + each) for each in range(100)], [])
        assert len(ports.listeners) == 100
        ports.change_listeners([], list(ports.listeners))
        ports.change_listeners([OPEN], [])
        await ports.update_until_stable()

    run(work())
    assert [each.host_port for each in scene.machine.forwards] == [8080]
    assert len(notices) == 1
    assert "more than 100 listeners" in notices[0]


def test_who_has_a_port_is_looked_for_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    monkeypatch.setattr(port_forwarder, "port_holder", lambda _, port: looked.append(port) or "")
    scene = Scene(Machine(taken=set(range(8000, 8100))))

    async def work() -> None:
        ports = scene.forwarder()
        await news(ports, [Listener("tcp", "0.0.0.0", port) for port in range(8000, 8100)], [])
        await ports.close()
        assert len(ports.failed) == 100

    run(work())
    assert len(looked) == port_forwarder._MAX_HOLDER_LOOKUPS


def test_listeners_take_no_more_than_their_share_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    clock = iter([0.0, 0.5, 0.5, 0.5])
    monkeypatch.setattr(port_forwarder.time, "thread_time", lambda: next(clock))

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def work() -> None:
        ports = Scene().forwarder()
        with monkeypatch.context() as patch:
            patch.setattr(port_forwarder.asyncio, "sleep", sleep)
            await news(ports, [OPEN], [])
        await ports.close()

    run(work())
    assert slept[0] == 0.5 / port_forwarder._CPU_SHARE


def test_each_listener_is_told_of_once_as_lima_does() -> None:
    """Also one that the machine holds since its start, or that shares its end on the host with another."""
    scene = Scene(Machine([Forward("tcp", "127.0.0.1", 8080, 8080)]))
    kept, sixth = Listener("tcp", "10.0.0.7", 8080), Listener("tcp", "::1", 8081)

    async def work() -> None:
        ports = scene.forwarder()
        ports.static_ends = frozenset({("tcp", "127.0.0.1", 8080)})
        await news(ports, [OPEN, LOOPBACK, kept, sixth], [])
        await ports.update()
        await exposes(ports, ("tcp", 8081))
        assert scene.told == [
            {"type": "forwarding", "protocol": "tcp", "guestAddr": guest, "hostAddr": host}
            if host
            else {"type": "not-forwarding", "protocol": "tcp", "guestAddr": guest}
            for guest, host in (
                ("0.0.0.0:8080", "127.0.0.1:8080"),
                ("10.0.0.7:8080", ""),
                ("127.0.0.1:8081", "127.0.0.1:8081"),
                ("[::1]:8081", "127.0.0.1:8081"),
            )
        ]
        assert scene.changes == 1
        await news(ports, [], [OPEN, LOOPBACK, kept, sixth])

    run(work())
    assert scene.kinds()[4:] == ["stopping"] * 3


def test_what_is_turned_off_as_a_whole_is_told_of_no_listener() -> None:
    scene = Scene()
    off = PortForward(guest_ip="0.0.0.0", ignore=True)
    run(news(scene.forwarder(off), [OPEN, LOOPBACK], []))
    assert scene.told == []


def test_two_ports_of_the_guest_for_one_of_the_host_are_told() -> None:
    scene = Scene()
    rules = [
        PortForward(guest_port_range=(each, each), host_port_range=(9000, 9000)) for each in (8080, 8081)
    ]

    async def work() -> None:
        ports = scene.forwarder(*rules)
        await news(ports, [OPEN, LOOPBACK], [])
        assert [each.guest_port for each in ports.collided] == [8081]
        assert ports.retry is None

    run(work())
    assert scene.told[1]["error"] == "it leads to the guest's port 8080 already"


def test_a_socket_of_the_host_takes_the_place_of_a_port() -> None:
    scene = Scene()
    rule = PortForward(guest_port_range=(8081, 8081), host_port_range=(8081, 8081), host_socket="page.sock")

    async def work() -> None:
        ports = scene.forwarder(rule)
        await news(ports, [LOOPBACK], [])
        await exposes(ports, ("tcp", 8081))

    run(work())
    assert [each.host_socket for each in scene.inside.open_now] == ["page.sock"]
    assert scene.machine.forwards == []
    assert scene.exposing[0] == []
    assert scene.told[0]["hostAddr"] == "/sockets/page.sock"


@pytest.mark.parametrize(
    ("entry", "inside"),
    [
        (["tcp", "0.0.0.0", 80], False),
        (["tcp", "0.0.0.0", 80, "socket"], False),
        (["tcp", "0.0.0.0", 80, "dnat"], False),
        (["tcp", "0.0.0.0", 80, "filtered"], True),
        (["tcp", "127.0.0.1", 80, "filtered"], True),
        (["tcp", "127.0.0.1", 80, "dnat"], True),
        (["tcp", "::", 80, "v6only"], True),
    ],
)
def test_the_guest_says_what_is_reached_from_within_alone(entry: list[object], inside: bool) -> None:
    (listener,) = live_ports._listeners([entry])
    assert listener.inside is inside


def test_a_port_that_a_filter_closes_is_handed_to_the_guests_program_and_back() -> None:
    scene = Scene()
    ports = scene.forwarder()
    shut = Listener("tcp", "0.0.0.0", 8080, inside=True)
    port = Listener("tcp", "0.0.0.0", 8080)
    asyncio.run(news(ports, [port], []))
    assert (len(scene.machine.forwards), scene.inside.open_now) == (1, [])
    asyncio.run(news(ports, [shut], [port]))
    assert scene.machine.forwards == []
    assert [each.guest_ip for each in scene.inside.open_now] == ["0.0.0.0"]
    asyncio.run(news(ports, [port], [shut]))
    assert (len(scene.machine.forwards), scene.inside.open_now) == (1, [])
    assert scene.kinds() == ["forwarding"]


def test_a_port_of_the_loopback_that_a_filter_closes_stays_exposed_for_its_connections() -> None:
    scene = Scene()
    ports = scene.forwarder()
    shut = Listener("tcp", "127.0.0.1", 8081, inside=True)
    unexposed = Listener("tcp", "127.0.0.1", 8082, inside=True)

    async def work() -> None:
        await news(ports, [LOOPBACK], [])
        await exposes(ports, ("tcp", 8081))
        await news(ports, [shut, unexposed], [LOOPBACK])
        assert scene.exposing[-1] == [["tcp", 8081]]
        assert [each.guest_port for each in scene.inside.open_now] == [8081, 8082]
        await news(ports, [], [shut])
        assert scene.exposing[-1] == []

    run(work())
