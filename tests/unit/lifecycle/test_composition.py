# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules make of instances that are not there, labels that are no text, and half-said rules."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callao.config import Config, dump, effective
from callao.errors import CallaoError, ConfigError, InstanceNotFound
from callao.events import silent
from callao.host import Host
from callao.instances import inspect
from callao.lifecycle import Outcome, Request, ensure
from callao.lifecycle.mounts import MountRequest, ensure_mount
from callao.lifecycle.port_forwards import ForwardRequest, ensure_forward
from callao.lifecycle.snapshots.ensure import SnapshotRequest, ensure_snapshot
from callao.lifecycle.unsupported import refuse_unsupported

HOST = Host.detect()
DOCUMENT = {"images": [{"location": "/img.qcow2"}], "vmType": "qemu", "arch": HOST.arch}


@pytest.fixture
def home() -> Iterator[Path]:
    """Right under /tmp, for its sockets have short names."""
    folder = Path(tempfile.mkdtemp(prefix="c-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def box(home: Path) -> Path:
    """The folder of a stopped instance ``web``."""
    folder = home / "web"
    folder.mkdir()
    (folder / "lima.yaml").write_text(dump({**DOCUMENT, "cpus": 2, "memory": "1GiB", "disk": "3GiB"}))
    return folder


def asked(home: Path, *, check: bool = False, **request: Any) -> Outcome:
    return ensure(Request(name="web", **request), home=home, host=HOST, check=check, report=silent)


@pytest.mark.parametrize("state", ["stopped", "absent"])
def test_an_instance_that_is_not_there_is_stopped_and_absent(home: Path, state: str) -> None:
    outcome = asked(home, state=state, template="no-such-template")
    assert (outcome.changed, outcome.instance) == (False, None)
    assert list(home.iterdir()) == []


def test_what_is_gone_has_no_mount_no_forward_and_no_snapshot(home: Path) -> None:
    place: dict[str, Any] = {"home": home, "host": HOST, "check": False}
    mount = MountRequest(instance="web", mount_point="/srv", state="unmounted", persist=True)
    rule = ForwardRequest(instance="web", rule={"guestPort": 80}, state="absent")
    snapshot = SnapshotRequest(instance="web", name="s", state="absent")
    assert not ensure_mount(mount, **place).changed
    assert not ensure_forward(rule, **place).changed
    assert not ensure_snapshot(snapshot, report=silent, **place).changed


def test_outside_check_mode_what_is_gone_can_be_given_nothing(home: Path) -> None:
    place: dict[str, Any] = {"home": home, "host": HOST, "check": False}
    with pytest.raises(InstanceNotFound):
        ensure_mount(MountRequest(instance="web", location="/tmp"), **place)
    with pytest.raises(InstanceNotFound):
        ensure_forward(ForwardRequest(instance="web", rule={"guestPort": 80}), **place)
    with pytest.raises(InstanceNotFound):
        ensure_snapshot(SnapshotRequest(instance="web", name="s"), report=silent, **place)


def test_check_mode_goes_on_for_an_instance_that_an_earlier_task_would_make(home: Path) -> None:
    place: dict[str, Any] = {"home": home, "host": HOST, "check": True}
    mounted = ensure_mount(MountRequest(instance="web", location="/tmp", mount_point="/srv"), **place)
    assert mounted.changed
    assert mounted.after == {"location": "/tmp", "mountPoint": "/srv", "writable": False, "hot": True}
    assert ensure_forward(ForwardRequest(instance="web", rule={"guestPort": 80}), **place).changed
    snapshot = ensure_snapshot(SnapshotRequest(instance="web", name="s"), report=silent, **place)
    assert (snapshot.changed, snapshot.after) == (True, {"name": "s", "memory": True})
    assert list(home.iterdir()) == []


def test_check_mode_goes_on_for_an_instance_that_an_earlier_task_would_start(home: Path, box: Path) -> None:
    place: dict[str, Any] = {"home": home, "host": HOST, "check": True}
    assert ensure_mount(MountRequest(instance="web", location="/tmp", mount_point="/srv"), **place).changed
    assert ensure_forward(ForwardRequest(instance="web", rule={"guestPort": 80}), **place).changed


def test_a_label_that_is_a_number_or_a_boolean_is_its_text(home: Path, box: Path) -> None:
    labels = {"ticket": 1234, "beta": True, "share": 0.5, "project": "shop"}
    assert asked(home, state="stopped", labels=labels).changed
    known = inspect("web", home, HOST).labels
    assert known == {"ticket": "1234", "beta": "true", "share": "0.5", "project": "shop"}
    assert not asked(home, state="stopped", labels=labels).changed


def test_a_label_that_is_no_scalar_is_refused_by_its_name(home: Path, box: Path) -> None:
    with pytest.raises(CallaoError, match=r"labels\.who: \['ann'\] is not text"):
        asked(home, state="stopped", labels={"who": ["ann"]})


def test_a_record_with_labels_that_are_no_text_is_read(home: Path, box: Path) -> None:
    (box / "callao.json").write_text(json.dumps({"template": "debian-12", "labels": {"ticket": 1234}}))
    web = inspect("web", home, HOST)
    assert (web.template, web.labels) == ("debian-12", {"ticket": "1234"})


def test_a_record_that_cannot_be_read_is_told_and_kept(home: Path, box: Path) -> None:
    (box / "callao.json").write_text('{"template": "debian-12", "labels"')
    outcome = asked(home, state="stopped", labels={"a": "b"})
    assert not outcome.changed
    assert "callao.json cannot be read" in " ".join(outcome.notices)
    assert (box / "callao.json").read_text() == '{"template": "debian-12", "labels"'


def test_lists_within_a_mapping_do_not_grow_with_each_run(home: Path, box: Path) -> None:
    config: dict[str, Any] = {
        "egress": {"allow": ["example.com"]},
        "firmware": {"images": [{"location": "/f.fd", "arch": HOST.arch, "vmType": "qemu"}]},
    }
    assert asked(home, state="present", config=config).changed
    text = (box / "lima.yaml").read_text()
    assert not asked(home, state="present", config=config).changed
    assert (box / "lima.yaml").read_text() == text
    assert text.count("example.com") == 1


def written(box: Path) -> list[dict[str, Any]]:
    import yaml

    found: list[dict[str, Any]] = yaml.safe_load((box / "lima.yaml").read_text()).get("portForwards", [])
    return found


def forward(home: Path, state: str, **rule: Any) -> bool:
    request = ForwardRequest(instance="web", rule=rule, state=state, persist=True)
    return ensure_forward(request, home=home, host=HOST, check=False).changed


def test_the_guest_port_alone_finds_the_one_rule_that_has_it(home: Path, box: Path) -> None:
    forward(home, "present", guestPort=80, hostPort=8080, hostIP="127.0.0.2", proto="tcp")
    forward(home, "present", guestPort=443, hostPort=8443)
    assert forward(home, "absent", guestPort=80)
    assert written(box) == [{"guestPort": 443, "hostPort": 8443}]
    assert not forward(home, "absent", guestPort=80)


def test_rules_that_are_alike_are_listed(home: Path, box: Path) -> None:
    forward(home, "present", guestPort=53, hostPort=5353, proto="tcp")
    forward(home, "present", guestPort=53, hostPort=5354, proto="udp")
    with pytest.raises(CallaoError, match=r"matches 2 rules .*hostPort: 5354.*hostPort: 5353"):
        forward(home, "absent", guestPort=53)
    assert forward(home, "absent", guestPort=53, proto="udp")
    assert [rule["proto"] for rule in written(box)] == ["tcp"]


def test_a_rule_that_says_the_same_in_other_words_is_there_already(home: Path, box: Path) -> None:
    forward(home, "present", guestPort=80, hostPort=8080)
    assert not forward(home, "present", guestPort=80, hostPort=8080, hostIP="127.0.0.1", proto="any")


@pytest.mark.parametrize(("field", "value"), [("memory", 2048), ("memory", "2048"), ("disk", "20")])
def test_a_size_without_a_unit_is_refused_with_both_readings(field: str, value: str | int) -> None:
    config: Config = effective({**DOCUMENT, field: value}, HOST, name="web", instance_dir=Path("/h/web"))
    with pytest.raises(ConfigError, match=f"{field}: .* is {value} bytes, and {value}MiB may be meant"):
        refuse_unsupported(config, "web", HOST)


def template(home: Path, **extra: Any) -> str:
    path = home / "template.yaml"
    path.write_text(dump({**DOCUMENT, "cpus": 2, "memory": "1GiB", "disk": "3GiB", **extra}))
    return str(path)


def mount(home: Path, state: str = "mounted", **options: Any) -> bool:
    request = MountRequest(instance="web", mount_point="/srv", state=state, persist=True, **options)
    return ensure_mount(request, home=home, host=HOST, check=False).changed


def test_what_persist_wrote_stays_when_the_template_is_asked_for_again(home: Path, box: Path) -> None:
    asked(home, state="present", template=template(home))
    assert mount(home, location="/tmp")
    assert forward(home, "present", guestPort=80, hostPort=8080)
    for _ in range(2):
        assert not asked(home, state="present", template=template(home)).changed
        assert not mount(home, location="/tmp")
        assert not forward(home, "present", guestPort=80, hostPort=8080)


def test_what_persist_took_out_of_a_template_stays_out(home: Path, box: Path) -> None:
    said = {"mounts": [{"location": "/tmp", "mountPoint": "/srv"}], "portForwards": [{"guestPort": 80}]}
    asked(home, state="present", template=template(home, **said))
    assert mount(home, "unmounted")
    assert forward(home, "absent", guestPort=80)
    assert not asked(home, state="present", template=template(home, **said)).changed
    assert not mount(home, "unmounted")
    assert not forward(home, "absent", guestPort=80)


def test_a_change_of_the_template_keeps_what_persist_wrote(home: Path, box: Path) -> None:
    asked(home, state="present", template=template(home))
    mount(home, location="/tmp", writable=True)
    assert asked(home, state="present", template=template(home, cpus=3)).changed
    config = inspect("web", home, HOST).config
    assert config is not None
    assert (config.cpus, [(each.mount_point, each.writable) for each in config.mounts]) == (
        3,
        [("/srv", True)],
    )


def test_a_request_that_says_the_contrary_goes_before_persist_and_tells(home: Path, box: Path) -> None:
    asked(home, state="present", template=template(home))
    mount(home, location="/tmp", writable=True)
    mounts = [{"location": "/tmp", "mountPoint": "/srv", "writable": False}]
    outcome = asked(home, state="present", template=template(home), config={"mounts": mounts})
    assert outcome.changed
    assert "the request's /srv takes precedence over what persist has written" in " ".join(outcome.notices)
    config = inspect("web", home, HOST).config
    assert config is not None
    assert [each.writable for each in config.mounts] == [False]


@pytest.mark.parametrize(
    ("rule", "stays"),
    [
        ({"guestPort": 80, "hostPort": 9090}, False),
        ({"guestPort": 80, "ignore": True}, False),
        ({"guestPort": 81, "hostPort": 8080}, False),
        ({"guestPort": 80, "hostPort": 9090, "proto": "udp"}, True),
        ({"guestPortRange": [1, 1023], "ignore": True}, True),
        ({"guestPort": 81, "hostPort": 9090}, True),
    ],
)
def test_a_rule_of_the_request_goes_before_a_persisted_one_that_it_contradicts(
    home: Path, box: Path, rule: dict[str, Any], stays: bool
) -> None:
    asked(home, state="present", template=template(home))
    forward(home, "present", guestPort=80, hostPort=8080, proto="tcp")
    outcome = asked(home, state="present", template=template(home), config={"portForwards": [rule]})
    kept = {"guestPort": 80, "hostPort": 8080, "proto": "tcp"}
    assert written(box) == ([kept, rule] if stays else [rule])
    persisted = "guestPort: 80, hostPort: 8080, proto: tcp"
    told = f"the request's rules take precedence over what persist has written ({persisted})"
    assert (told in " ".join(outcome.notices)) == (not stays)
    assert not asked(home, state="present", template=template(home), config={"portForwards": [rule]}).changed
