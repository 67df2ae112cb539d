# SPDX-License-Identifier: GPL-3.0-or-later
"""One kind of guest, which boots twice: its first boot, its copies, and the next boot of one of them.

Each copy is itself before anybody can reach it, and all they share is work.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cidata.suite import EXTRA, NAME, WRITTEN, Box, FirstBootSuite
from support.crashes import kill_in_start, leftovers, victims
from support.home import Home, build_golden, temporary_home

from callao.config import dump
from callao.events import Event, EventState
from callao.instances import Status, inspect
from callao.ports import any_free

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with temporary_home(build_golden(), cache=None) as home:
        yield home


@pytest.fixture(scope="module")
def box(home: Home) -> Box:
    """The first of its kind."""
    return Box(home, make(home, NAME))


def make(home: Home, name: str, events: list[Event] | None = None, **extra: object) -> list[Event]:
    """One of the kind; the events that somebody would see."""
    events = [] if events is None else events
    template = home.path / f"{name}.yaml"
    template.write_text(dump(home.config(**{**home.direct(), **EXTRA, **extra})))
    home.ensure(name, template=str(template), warm=True, timeout=600, events=events)
    return events


def notices(events: list[Event]) -> str:
    return " ".join(each.message for each in events if each.state is EventState.NOTICE)


def told(home: Home, name: str, command: str) -> str:
    done = home.ssh(name, command)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LOOK = f"sudo stat -c '%n %Y %i' {WRITTEN}; sudo sha256sum {WRITTEN}"


def test_the_first_boots_and_is_kept(box: Box) -> None:
    assert "the first of its kind" in notices(box.events)
    assert not list((box.home.path / "_warm").iterdir())
    assert box.home.processes() != []


class TestFirstBoot(FirstBootSuite):
    """By the image's own first-boot system, without firmware; and what a copy has of it."""


def test_later_ones_go_on_from_it_and_are_themselves(home: Home, box: Box) -> None:
    shared = home.path / "shared"
    shared.mkdir()
    (shared / "greeting").write_text("hello\n")
    mounts = [{"location": str(shared), "mountPoint": "/mnt/s"}]
    events = make(home, "two", mounts=mounts, mountType="virtiofs")
    assert "first of its kind" not in notices(events)
    assert "booting instead" not in notices(events)
    # Its own resolver knows its name: the one that was asked before has ended.
    assert told(home, "two", "getent ahostsv4 lima-two.internal").startswith("192.168.5.15 ")
    assert told(home, "two", "cat /mnt/s/greeting") == "hello"
    asked = {
        "provisioned": "cat /etc/provisioned",
        "machine": "cat /etc/machine-id",
        "instance": "cat /var/lib/cloud/data/instance-id",
        "key": "cat /etc/ssh/ssh_host_ed25519_key.pub",
        "random": "head -c 16 /dev/urandom | od -An -tx1",
        "name": "hostname; hostname -f; cat /etc/hostname",
        "seed": "sudo cat /mnt/lima-cidata/meta-data",
    }
    one, two = ({key: told(home, name, line) for key, line in asked.items()} for name in (NAME, "two"))
    assert one["provisioned"] == two["provisioned"]
    assert [key for key in asked if one[key] == two[key]] == ["provisioned"]
    for name, hostname, said in ((NAME, "lima-seed-one-x", one), ("two", "lima-two", two)):
        assert set(said["name"].split()) == {hostname}
        assert said["instance"] in said["seed"]
        assert said["key"] == (home.path / name / "ssh_host_ed25519_key.pub").read_text().strip()
        before = time.time()
        assert before - 3 < float(told(home, name, "date +%s")) < time.time() + 2
    assert told(home, "two", "journalctl -q -n 1 --no-pager | wc -l") == "1"


def test_nobody_ever_hears_another_ones_host_key(home: Home, box: Box) -> None:
    """Asked all the while that it comes up: no answer at all, or its own."""
    port, heard, done = any_free(), set[str](), threading.Event()

    def ask() -> None:
        while not done.is_set():
            argv = ["ssh-keyscan", "-T", "20", "-t", "ed25519", "-p", str(port), "127.0.0.1"]
            said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
            heard.update(re.findall(r"ssh-ed25519 (\S+)", said))
            time.sleep(0.05)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        make(home, "three", ssh={"localPort": port}, hostname="shop")
        deadline = time.monotonic() + 180
        while not heard and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        done.set()
        asking.join()
    assert heard == {(home.path / "three" / "ssh_host_ed25519_key.pub").read_text().split()[1]}
    said = told(home, "three", "hostname; hostname -f; getent ahostsv4 shop.internal").split()
    assert said[:3] == ["shop", "shop", "192.168.5.15"]  # the one that it asked for
    for name in ("two", "three"):
        home.delete(name)


@pytest.fixture(scope="module")
def written(box: Box) -> str:
    """What the guest has written, from when it was first up; it is stopped now."""
    seen = box.run(LOOK)
    box.home.ensure(NAME, template=None, state="stopped")
    return seen


def test_a_killed_machine_ends_its_agent(box: Box, written: str) -> None:
    words = kill_in_start(box.home, NAME, "qemu")
    assert b"StageFailed" in words
    assert b"went off" in words
    assert victims(box.home, NAME) == {}
    assert inspect(NAME, box.home.path, box.home.host).status is Status.STOPPED


def test_a_killed_agent_takes_its_machine_along(box: Box, written: str) -> None:
    assert b"ended before the instance was ready" in kill_in_start(box.home, NAME, "agent")
    assert victims(box.home, NAME) == {}
    assert inspect(NAME, box.home.path, box.home.host).status is Status.STOPPED


def test_a_killed_run_leaves_the_machine_coming_up_for_the_next(box: Box, written: str) -> None:
    kill_in_start(box.home, NAME, "run")
    before = victims(box.home, NAME)
    assert set(before) == {"agent", "qemu"}
    outcome = box.home.ensure(NAME, template=None, timeout=600)
    assert outcome.instance is not None
    assert outcome.instance["ready"]
    assert victims(box.home, NAME) == before
    assert leftovers(box.home.path, NAME) == []


def test_the_next_boot_runs_the_scripts_again_and_rewrites_nothing(box: Box, written: str) -> None:
    box.home.ensure(NAME, template=None, timeout=600)
    assert box.run(LOOK) == written
    assert box.run("cat /run/lima-boot-done") == "code=0\n"
    assert box.run("cat ~/boots").split() == ["user"] * 2
    assert box.run("sudo ls /var/lib/cloud/instances | wc -l").strip() == "1"


def test_four_at_once(home: Home, box: Box) -> None:
    home.delete(NAME)
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda name: notices(make(home, name)), ["a", "b", "c", "d"]))
    assert not any("first of its kind" in each or "booting instead" in each for each in said)
    assert len({told(home, name, "cat /etc/machine-id") for name in "abcd"}) == 4
    for name in "abcd":
        home.delete(name)


def damage(home: Home) -> None:
    (kept,) = (home.path / "_cache" / "warm").glob("[0-9a-f]*")
    devices = kept / "devices"
    devices.write_bytes(devices.read_bytes()[: devices.stat().st_size // 2])


class Stopped(Exception):
    """Raised by who has heard enough."""


class UntilItBoots(list[Event]):
    """Events, up to the notice that it boots."""

    def append(self, event: Event) -> None:
        super().append(event)
        if "booting instead" in event.message:
            raise Stopped


def test_what_is_damaged_is_told_and_not_gone_on_from(home: Home, box: Box) -> None:
    """That it boots instead is the next test's subject."""
    damage(home)
    with pytest.raises(Stopped):
        make(home, "cold", UntilItBoots())
    assert not (home.path / "cold").exists()


@pytest.mark.long
def test_what_is_damaged_is_booted_in_its_place(home: Home, box: Box) -> None:
    damage(home)
    assert "booting instead" in notices(make(home, "cold"))
    assert told(home, "cold", "hostname") == "lima-cold"
