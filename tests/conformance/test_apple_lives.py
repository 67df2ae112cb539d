# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of vz and krunkit whose processes are killed in their start, or whose disk finds no space; the
stand-ins' machines have no guest here."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from support.apple.install import install
from support.crashes import begun, victims
from support.home import Golden, Home
from support.waiting import eventually
from support.writer import small_file_system

from callao.config import Arch, VMType, dump
from callao.disks.ensure import DiskRequest, ensure_disk
from callao.drivers.apple import krun, short_folder
from callao.drivers.apple.common import Limits
from callao.errors import AgentError, ConfigError, DriverError, StageFailed
from callao.events import Event, EventState, Stage
from callao.host import Host
from callao.instances import InstancePaths, Runtime, Status, inspect
from callao.instances.process_identity import ProcessIdentity, alive
from callao.instances.records import read_json
from callao.lifecycle import Request, ensure

HOST = Host.detect()
SIZE = 8 << 20
"""Bytes of an image that does not fit."""
SLOW = """#!/bin/sh
[ "$1" != convert ] || {{ echo >{marker}; exec tail -f -- /dev/null "$@" >/dev/null 2>&1; }}
exec {program} "$@"
"""
LINUX_PROGRAMS = {"vz": ("vfkit",), "krunkit": ("krunkit", "gvproxy")}


@dataclass
class Box:
    """The instance ``box`` and its home."""

    home: Home
    template: str
    events: list[Event] = field(default_factory=list)

    @property
    def paths(self) -> InstancePaths:
        return InstancePaths(self.home.path / "box")

    def start(self, then: Callable[[], object] = lambda: None) -> None:
        """:param then: is called as soon as the machine runs; no guest becomes ready."""

        def report(event: Event) -> None:
            self.events.append(event)
            if (event.stage, event.state) == (Stage.DRIVER, EventState.DONE):
                then()

        request = Request(name="box", template=self.template, timeout=60, warm=True)
        ensure(request, home=self.home.path, host=HOST, check=False, report=report)

    def start_until_it_runs(self) -> None:
        """Its machine is killed then."""
        with pytest.raises(StageFailed, match="the machine went off"):
            self.start(lambda: self.kill("driver"))
        eventually(lambda: not alive(self.identity("agent")))

    def kill(self, who: str) -> None:
        os.kill(self.identity(who).pid, signal.SIGKILL)

    def identity(self, who: str) -> ProcessIdentity:
        runtime = read_json(self.paths.runtime, Runtime)
        assert runtime is not None
        found = runtime.agent if who == "agent" else runtime.driver
        assert found is not None
        return found

    def left(self) -> list[str]:
        """What is there of a machine."""
        files = [each.name for each in self.paths.runtime_files if each.exists()]
        folder = short_folder.folder_of(self.paths)
        return [*files, *([str(folder)] if folder.exists() else []), *self.home.processes()]


@contextlib.contextmanager
def box_of(
    vm_type: str,
    version: str = "1.3.1",
    folder: str = "h",
    disk: str = "1MiB",
    content: bytes = b"as shipped" + b"\0" * 2**19,
    more: Mapping[str, object] = {},
) -> Iterator[Box]:
    """:param folder: the name of LIMA_HOME.
    :param content: the image's.
    :param more: fields of lima.yaml.
    """
    with (
        tempfile.TemporaryDirectory(prefix="v-", dir="/tmp") as place,
        pytest.MonkeyPatch.context() as patch,
    ):
        root = Path(place)
        environment = {"CALLAO_STAND_IN_GUEST": "none", "CALLAO_STAND_IN_KRUNKIT_VERSION": version}
        programs = install(root / "bin", environment, LINUX_PROGRAMS[vm_type])
        patch.setenv("PATH", str(programs), prepend=os.pathsep)
        # The stand-in's machine has this host's processor.
        own = Limits(VMType.KRUNKIT, frozenset({Arch(HOST.arch)}), krun.LIMITS.forbidden)
        patch.setattr(krun, "LIMITS", own)
        raw, image = root / "raw", root / "image.qcow2"
        raw.write_bytes(content)
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image)], check=True)
        document = {
            "vmType": vm_type, "images": [{"location": str(image), "arch": HOST.arch}], "cpus": 1,
            "memory": "512MiB", "disk": disk, "containerd": {"user": False}, "mountType": "reverse-sshfs",
            **more,
        }  # fmt: skip
        template = root / "box.yaml"
        template.write_text(dump(document))
        home = Home(root / folder, Golden(image, image, image), HOST)
        home.path.mkdir()
        try:
            yield Box(home, str(template))
        finally:
            home.end_all()


@pytest.mark.parametrize(("vm_type", "version"), [("vz", ""), ("krunkit", "1.3.1"), ("krunkit", "1.2.1")])
def test_killed_processes_end_the_start_with_its_reason_and_leave_nothing(
    vm_type: str, version: str
) -> None:
    with box_of(vm_type, version or "1.3.1") as box:
        with pytest.raises(StageFailed, match=r"machine|ended|QEMU|hypervisor"):
            box.start(lambda: box.kill("driver"))
        eventually(lambda: not alive(box.identity("agent")))
        assert box.left() == []
        told = " ".join(each.message for each in box.events)
        assert f"warm: booting instead: a {vm_type} machine cannot be saved while it runs" in told
        with pytest.raises(AgentError, match="ended before the instance was ready"):
            box.start(lambda: box.kill("agent"))
        eventually(lambda: not alive(box.identity("driver")) and not box.home.processes())
        assert inspect("box", box.home.path, HOST).status is Status.STOPPED
        box.home.delete("box")
        assert box.left() == []
        assert not box.paths.dir.exists()


@pytest.mark.parametrize("vm_type", LINUX_PROGRAMS)
def test_a_machine_runs_in_a_home_of_an_odd_or_long_name(vm_type: str) -> None:
    with box_of(vm_type, folder="Application Support ñ 日本 #%41?") as box:
        box.start_until_it_runs()
        assert box.left() == []


@pytest.mark.parametrize(("vm_type", "folder"), [("vz", "a,b"), ("vz", 'a"b'), ("krunkit", "a=b")])
def test_a_home_whose_name_the_program_cannot_be_told_is_refused_before_anything_is_made(
    vm_type: str, folder: str
) -> None:
    with box_of(vm_type, folder=folder) as box:
        with pytest.raises(ConfigError, match=r"LIMA_HOME.* has .*allowed: a path without"):
            box.start()
        assert not box.paths.dir.exists()
        assert box.events == []


def test_a_disk_of_a_format_that_vfkit_does_not_read_is_refused_before_anything_is_made() -> None:
    with box_of("vz", more={"additionalDisks": ["data"]}) as box:
        ensure_disk(DiskRequest(name="data", size="1MiB"), home=box.home.path, check=False)
        with pytest.raises(ConfigError, match=r"additionalDisks\[0\]: 'data': is a qcow2 .*--format raw"):
            box.start()
        assert not box.paths.dir.exists()


def test_an_image_whose_copy_has_no_space_is_an_error_and_leaves_no_instance() -> None:
    with (
        box_of("vz", disk="8MiB", content=os.urandom(SIZE)) as box,
        small_file_system(box.home.path, SIZE + SIZE // 2),
    ):
        with pytest.raises(DriverError, match=r"the disk .* cannot be made of .*No space left on device"):
            box.start()
        [kept] = [each for each in box.home.path.rglob("*") if each.stat().st_size > SIZE // 4]
        assert kept.is_relative_to(box.home.path / "_cache")
        assert not box.paths.dir.exists()


def test_a_start_that_is_killed_while_it_copies_the_image_leaves_no_program_and_the_next_copies_it(
    tmp_path: Path,
) -> None:
    marker = tmp_path / "begun"
    (tmp_path / "qemu-img").write_text(SLOW.format(marker=marker, program=shutil.which("qemu-img")))
    (tmp_path / "qemu-img").chmod(0o755)
    with box_of("vz") as box:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
            with begun(box.home, "box", box.template) as run:
                eventually(marker.exists)
                run.kill()
        eventually(lambda: not box.home.processes())
        box.start_until_it_runs()
        assert box.left() == []


def test_two_starts_at_once_have_one_machine_and_the_second_makes_another_after_its_end() -> None:
    with box_of("vz") as box, begun(box.home, "box", box.template) as first:
        eventually(lambda: "qemu" in victims(box.home, "box"))
        with begun(box.home, "box", box.template) as second:
            eventually(lambda: _files_of(second, box))
            assert len(_machines(box)) == 1
            for run in (first, second):
                eventually(lambda: "qemu" in victims(box.home, "box"))
                box.kill("driver")
                assert b"the machine went off" in run.communicate(timeout=180)[1]
        eventually(lambda: box.left() == [])


def _machines(box: Box) -> list[str]:
    return [each for each in box.home.processes() if "support.apple.vfkit_program --cpus" in each]


def _files_of(process: subprocess.Popen[bytes], box: Box) -> list[str]:
    """What a run has open of the home: it follows the host agent's log, or waits for the instance's lock."""
    return [
        each.path
        for each in psutil.Process(process.pid).open_files()
        if each.path.startswith(str(box.home.path))
    ]
