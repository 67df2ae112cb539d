# SPDX-License-Identifier: GPL-3.0-or-later
"""``kill -9`` of the run, of the host agent, of QEMU: each once, and at random moments."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.home import Golden, Home, temporary_home

from callao.instances import Runtime, Status, inspect
from callao.instances.process_identity import ProcessIdentity, alive
from callao.instances.records import read_json

pytestmark = pytest.mark.guest

RUN = """
import sys
from pathlib import Path
from callao.events import silent
from callao.host import Host
from callao.lifecycle import Request, ensure
home, template = Path(sys.argv[1]), sys.argv[2]
request = Request(name="victim", template=template, timeout=600)
ensure(request, home=home, host=Host.detect(), check=False, report=silent)
"""
ROUNDS = 10
LATEST = 12.0
"""Seconds into a run at which the last blow may fall: the guest is deep in its boot by then."""
OUTCOME = 600
"""Seconds for a run that was hit before it looked: it starts what the blow has ended, to the end."""


@contextlib.contextmanager
def begun(home: Home, template: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run that wants the victim ready; it does not outlive the test."""
    argv = [sys.executable, "-c", RUN, str(home.path), template]
    with subprocess.Popen(argv, stderr=subprocess.PIPE) as run:
        try:
            yield run
        finally:
            run.kill()


def victims(home: Home) -> dict[str, ProcessIdentity]:
    runtime = read_json(home.path / "victim" / "runtime.json", Runtime)
    found = {"agent": runtime.agent, "qemu": runtime.driver} if runtime else {}
    return {who: identity for who, identity in found.items() if identity is not None and alive(identity)}


def settled(home: Home) -> None:
    """After a blow, agent and machine live together or not at all."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if len(victims(home)) in (0, 2):
            return
        time.sleep(0.05)
    raise AssertionError(f"left alone: {victims(home)}")


@pytest.mark.long
def test_ten_blows_and_the_next_run_still_makes_it_ready(home: Home) -> None:
    seed = int(os.environ.get("CALLAO_TEST_SEED", random.SystemRandom().randrange(2**32)))
    chance = random.Random(seed)
    template = home.template()
    for number in range(ROUNDS):
        with begun(home, template) as run:
            time.sleep(chance.uniform(0.05, LATEST))
            targets = {**victims(home), "run": None}
            who = chance.choice(sorted(targets))
            if who == "run":
                run.kill()
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(targets[who].pid, signal.SIGKILL)
            run.communicate(timeout=OUTCOME)
        settled(home)
        if (home.path / "victim").exists():
            instance = inspect("victim", home.path, home.host)
            assert instance.status is not Status.BROKEN, (seed, number, who, instance.errors)
    outcome = home.ensure("victim", template=template, timeout=600)
    assert outcome.instance is not None
    assert outcome.instance["ready"], seed
    assert leftovers(home.path) == [], seed


def leftovers(home: Path) -> list[str]:
    """What a killed run may leave, and the run after it has to remove."""
    temporary = [path.name for path in home.iterdir() if path.name.startswith(".")]
    inside = [path.name for path in (home / "victim").iterdir() if path.name.startswith(".")]
    return temporary + inside


@pytest.fixture(scope="module")
def kept(golden: Golden) -> Iterator[Home]:
    """A home with a victim that is stopped."""
    with temporary_home(golden) as home:
        home.ensure("victim", state="present", extra=home.direct())
        yield home


def blow(home: Home, who: str) -> bytes:
    """Kill it as soon as the machine runs; returns what the run said."""
    with begun(home, home.template(**home.direct())) as run:
        deadline = time.monotonic() + 180
        while "qemu" not in victims(home) and time.monotonic() < deadline:
            time.sleep(0.05)
        pid = run.pid if who == "run" else victims(home)[who].pid
        os.kill(pid, signal.SIGKILL)
        _, words = run.communicate(timeout=180)
        assert run.returncode != 0
    settled(home)
    return words


def test_a_killed_machine_ends_its_agent(kept: Home) -> None:
    words = blow(kept, "qemu")
    assert b"StageFailed" in words
    assert b"went off" in words
    assert victims(kept) == {}
    assert inspect("victim", kept.path, kept.host).status is Status.STOPPED


def test_a_killed_agent_takes_its_machine_along(kept: Home) -> None:
    assert b"ended before the instance was ready" in blow(kept, "agent")
    assert victims(kept) == {}
    assert inspect("victim", kept.path, kept.host).status is Status.STOPPED


def test_a_killed_run_leaves_the_machine_coming_up_for_the_next(kept: Home) -> None:
    blow(kept, "run")
    before = victims(kept)
    assert set(before) == {"agent", "qemu"}
    outcome = kept.ensure("victim", template=kept.template(**kept.direct()), timeout=600)
    assert outcome.instance is not None
    assert outcome.instance["ready"]
    assert victims(kept) == before
    assert leftovers(kept.path) == []
