# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new instance can begin as, before anything is made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from callao.config import dump
from callao.errors import ConfigError, InstanceNotFound, SnapshotError
from callao.events import Event, silent
from callao.host import Host
from callao.instances import InstancePaths, MachineLayout, inspect
from callao.instances.records import write_json
from callao.lifecycle import Request, ensure
from callao.lifecycle.create_from import Source
from callao.snapshots import RequiredMachine, Snapshot


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With ``web``, stopped, whose snapshots are of its disk (``off``) and of another machine (``ran``)."""
    paths = InstancePaths(tmp_path / "web")
    paths.dir.mkdir()
    paths.lima_yaml.write_text(
        dump({"images": [{"location": "/img.qcow2"}], "disk": "1GiB", "vmType": "qemu"})
    )
    for name in ("base", "disk.1"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(paths.dir / name), "1G"], check=True)
    paths.disk.hardlink_to(paths.dir / "base")
    for name, bound in (
        ("off", None),
        ("ran", RequiredMachine(arguments=("-version", "0"), layout=MachineLayout(8))),
    ):
        (paths.snapshots / name).mkdir(parents=True)
        write_json(
            paths.snapshots / name / "snapshot.json", Snapshot(name=name, layer="disk.1", machine=bound)
        )
    return tmp_path


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("nobody", InstanceNotFound, r"'nobody' does not exist .*\(existing: web\)"),
        ("web@", ConfigError, "names no snapshot"),
        ("web@later", SnapshotError, r"no snapshot 'later' \(there are: .*off"),
        ("../web", ConfigError, "cannot be an instance's name"),
        ("web@../x", ConfigError, "cannot be a snapshot's name"),
    ],
)
def test_what_is_not_there_is_told(home: Path, text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Source.of(text, home, Host.detect())
    with pytest.raises(error, match=words):
        ensure(
            Request(name="new", origin=text, state="present"),
            home=home, host=Host.detect(), check=True, report=silent,
        )  # fmt: skip


@pytest.mark.parametrize("origin", ["web", "web@off", "web@ran"])
def test_a_new_one_has_the_others_configuration_and_a_disk_of_its_own(home: Path, origin: str) -> None:
    host, told = Host.detect(), list[Event]()
    request = Request(
        name="new", origin=origin, state="present", config={"cpus": 1}, labels={"a": "b"}, template=None
    )
    assert ensure(request, home=home, host=host, check=True, report=silent).changed
    assert not (home / "new").exists()
    ensure(request, home=home, host=host, check=False, report=told.append)
    made = inspect("new", home, host)
    assert made.config is not None
    assert (made.config.cpus, made.config.disk, made.labels) == (1, 2**30, {"a": "b"})
    assert made.record.mac_address == ""
    assert not made.paths.disk.samefile(home / "web" / "disk")
    assert not made.paths.snapshots.exists()
    assert any("booting instead" in each.message for each in told) == (origin == "web@ran")
    assert not ensure(request, home=home, host=host, check=False, report=silent).changed
