# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callao.config import Config, effective
from callao.errors import ImmutableField, InstanceBroken, InstanceProtected, RestartRequired
from callao.host import Host, HostUser
from callao.instances import (
    Desired,
    Failure,
    Instance,
    InstancePaths,
    Policy,
    Record,
    Restart,
    Status,
    Step,
    Target,
    fingerprint,
    plan,
)
from callao.instances.process_identity import ProcessIdentity

HOST = Host("linux", "x86_64", 4, 8 * 2**30, HostUser("ann", 1000, "Ann", "/home/ann"), "Europe/Lisbon")
SOMEBODY = ProcessIdentity(pid=1, started=1)
BASE = {"images": [{"location": "/img.qcow2"}], "vmType": "qemu", "cpus": 2, "disk": "10GiB"}


def config(**extra: Any) -> Config:
    return effective({**BASE, **extra}, HOST, name="web", instance_dir=Path("/h/web"))


def desired(labels: dict[str, str] | None = None, **extra: Any) -> Desired:
    return Desired("web", {**BASE, **extra}, config(**extra), "debian-12", labels)


def instance(**values: Any) -> Instance:
    stopped = Instance(
        "web",
        InstancePaths(Path("/h/web")),
        Status.STOPPED,
        config=config(),
        record=Record(labels={"a": "b"}),
    )
    return replace(stopped, **values)


def running(**values: Any) -> Instance:
    return instance(
        **{
            "status": Status.RUNNING,
            "agent": SOMEBODY,
            "driver": SOMEBODY,
            "ready": True,
            "booted": fingerprint(config()),
            **values,
        }
    )


C, F, L, D = Step.CREATE, Step.CONFIGURE, Step.LABEL, Step.DELETE
STOP, START, AWAIT, LIVE = Step.STOP, Step.START, Step.WAIT, Step.REFRESH


@pytest.mark.parametrize(
    ("target", "actual", "steps"),
    [
        (Target.STARTED, None, (C, START)),
        (Target.PRESENT, None, (C,)),
        (Target.STOPPED, None, ()),
        (Target.RESTARTED, None, (C, START)),
        (Target.ABSENT, None, ()),
        (Target.STARTED, instance(), (START,)),
        (Target.PRESENT, instance(), ()),
        (Target.STOPPED, instance(), ()),
        (Target.RESTARTED, instance(), (START,)),
        (Target.ABSENT, instance(), (D,)),
        (Target.STARTED, running(), ()),
        (Target.PRESENT, running(), ()),
        (Target.STOPPED, running(), (STOP,)),
        (Target.RESTARTED, running(), (STOP, START)),
        (Target.ABSENT, running(), (D,)),
        (Target.STARTED, running(ready=False), (AWAIT,)),
        (Target.PRESENT, running(ready=False), ()),
        (Target.STARTED, running(ready=False, failure=Failure(stage="sshd", message="no")), (STOP, START)),
    ],
)
def test_steps_from_what_is_there_to_what_is_asked(
    target: Target, actual: Instance | None, steps: tuple[Step, ...]
) -> None:
    assert plan(desired(), actual, Policy(target)).steps == steps


def test_waiting_for_another_run_is_no_change() -> None:
    assert not plan(desired(), running(ready=False), Policy(Target.STARTED)).changed


@pytest.mark.parametrize(
    ("extra", "steps"),
    [
        ({"cpus": 3}, (F, STOP, START)),
        ({"memory": "2GiB"}, (F, STOP, START)),
        ({"disk": "20GiB"}, (F, STOP, START)),
        ({"env": {"A": "b"}}, (F, STOP, START)),
        ({"ssh": {"localPort": 40022}}, (F, STOP, START)),
        ({"portForwards": [{"guestPort": 80, "hostPort": 8080}]}, (F, LIVE)),
        ({"message": "hi"}, (F, LIVE)),
        ({"ssh": {"forwardAgent": True}}, (F, LIVE)),
        ({"ssh": {"forwardX11": True}}, (F, LIVE)),
        ({"images": [{"location": "/other.qcow2"}]}, ()),
    ],
)
def test_a_running_machine_takes_what_it_can_and_restarts_for_the_rest(
    extra: dict[str, Any], steps: tuple[Step, ...]
) -> None:
    assert plan(desired(**extra), running(), Policy(Target.STARTED)).steps == steps


def test_a_stopped_machine_is_only_written_anew() -> None:
    assert plan(desired(cpus=3), instance(), Policy(Target.PRESENT)).steps == (F,)
    assert plan(desired(cpus=3), instance(), Policy(Target.STARTED)).steps == (F, START)
    assert plan(desired(cpus=3), running(), Policy(Target.STOPPED)).steps == (F, STOP)


@pytest.mark.parametrize(
    "policy",
    [Policy(Target.STARTED, restart=Restart.NEVER), Policy(Target.PRESENT)],
    ids=["never", "present"],
)
def test_what_needs_a_restart_that_may_not_be_is_written_and_told(policy: Policy) -> None:
    made = plan(desired(cpus=3), running(), policy)
    assert made.steps == (F,)
    assert "cpus takes effect at the next start" in made.notices[0]


def test_an_earlier_change_still_waits_for_its_restart() -> None:
    behind = running(config=config(cpus=3))
    assert plan(desired(cpus=3), behind, Policy(Target.STARTED)).steps == (STOP, START)
    told = plan(desired(cpus=3), behind, Policy(Target.STARTED, restart=Restart.NEVER))
    assert (told.steps, len(told.notices)) == ((), 1)


def test_labels_are_compared_only_when_given() -> None:
    assert plan(desired(), running(), Policy()).steps == ()
    assert plan(desired(labels={"a": "b"}), running(), Policy()).steps == ()
    assert plan(desired(labels={}), running(), Policy()).steps == (L,)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"vmType": "vz"}, r"vmType: .*'vz'.*created with .*'qemu'.*recreate"),
        ({"arch": "aarch64"}, r"arch: .*'aarch64'.*created with .*'x86_64'"),
        ({"user": {"name": "bob"}}, r"user\.name: .*'bob'.*created with"),
        ({"disk": "5GiB"}, r"disk: .*5.*cannot shrink"),
    ],
)
def test_what_can_never_change_is_refused(extra: dict[str, Any], words: str) -> None:
    with pytest.raises(ImmutableField, match=words):
        plan(desired(**extra), instance(), Policy())


def test_recreate_replaces_whatever_is_there() -> None:
    policy = Policy(Target.STARTED, recreate=True)
    assert plan(desired(disk="5GiB"), running(), policy).steps == (D, C, START)
    assert plan(desired(), instance(config=None, errors=("bad",)), policy).steps == (D, C, START)
    assert plan(desired(), None, policy).steps == (C, START)


def test_a_broken_configuration_says_how_to_go_on() -> None:
    broken = instance(status=Status.BROKEN, config=None, errors=("lima.yaml: cpus: no",))
    with pytest.raises(InstanceBroken, match=r"cpus: no.*recreate: true.*state: absent"):
        plan(None, broken, Policy())
    assert plan(None, broken, Policy(Target.ABSENT)).steps == (D,)


def test_a_machine_without_its_agent_is_stopped_first() -> None:
    orphan = instance(status=Status.BROKEN, driver=SOMEBODY, errors=("runs without its host agent",))
    assert plan(desired(), orphan, Policy()).steps == (STOP, START)
    assert plan(desired(), orphan, Policy(Target.STOPPED)).steps == (STOP,)


def test_restarted_contradicts_never() -> None:
    with pytest.raises(RestartRequired, match=r"restart: 'never'.*allowed.*auto"):
        plan(desired(), running(), Policy(Target.RESTARTED, restart=Restart.NEVER))


def test_a_protected_instance_is_not_deleted(tmp_path: Path) -> None:
    paths = InstancePaths(tmp_path / "web")
    paths.dir.mkdir()
    paths.protected.touch()
    with pytest.raises(InstanceProtected, match="protected"):
        plan(None, instance(paths=paths), Policy(Target.ABSENT))


def test_a_new_instance_is_marked_after_it_was_made() -> None:
    policy = Policy(Target.STARTED, protected=True, autostart=True)
    assert plan(desired(), None, policy).steps == (C, START, Step.PROTECT, Step.AUTOSTART)
    assert plan(desired(), None, Policy(Target.PRESENT, protected=False, autostart=False)).steps == (C,)
