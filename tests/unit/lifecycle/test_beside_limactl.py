# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance that limactl has started since our own last start: its pid files are newer than our record."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from callao.config import VMType
from callao.drivers import driver_for
from callao.drivers.qemu.disks.qcow2 import virtual_size
from callao.errors import InstanceError
from callao.events import Event, silent
from callao.host import Host
from callao.instances import InstancePaths, Runtime, Status, inspect
from callao.instances.index import indexed_instances
from callao.instances.process_identity import ProcessIdentity
from callao.instances.records import write_json
from callao.lifecycle import Request, ensure
from callao.lifecycle.clone import clone
from callao.lifecycle.halt import halt
from callao.lifecycle.preconditions import must_be_stopped
from callao.lifecycle.recreate_disk import recreate_disk
from callao.offline import NetworkAccess

HOST = Host.detect()


@pytest.fixture
def paths() -> Iterator[InstancePaths]:
    """Stopped, with the record of a start of ours and an image that is there."""
    with tempfile.TemporaryDirectory(prefix="l-", dir="/tmp") as folder:
        paths = InstancePaths(Path(folder) / "h" / "web")
        paths.dir.mkdir(parents=True)
        image = Path(folder) / "image.qcow2"
        for each in (image, paths.disk):
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(each), "1M"], check=True)
        text = f"images: [{{location: {image}}}]\nvmType: qemu\narch: {HOST.arch}\ndisk: 1MiB\n"
        paths.lima_yaml.write_text(text)
        gone = ProcessIdentity(pid=2**22 + 1, started=1, boot="of a boot before")
        write_json(paths.runtime, Runtime(agent=gone, driver=gone, ssh_port=60022, ready=True))
        yield paths


@contextmanager
def running(paths: InstancePaths, vm_type: str = "qemu") -> Iterator[subprocess.Popen[bytes]]:
    """By limactl, for which a sleeper stands."""
    with subprocess.Popen(["sleep", "600"]) as process:
        for file in (paths.ha_pid, paths.driver_pid(vm_type)):
            file.write_text(f"{process.pid}\n")
        paths.ssh_config.write_text("Host lima-web\n  Hostname 127.0.0.1\n  Port 40123\n")
        yield process
        process.kill()


def test_it_is_seen_running_at_the_port_that_limactl_chose(paths: InstancePaths) -> None:
    home = paths.dir.parent
    assert inspect("web", home, HOST).status is Status.STOPPED
    with running(paths) as process:
        found = inspect("web", home, HOST)
        (line,) = indexed_instances(home, HOST)
        assert found.agent is not None
        assert (found.status, found.agent.pid, found.reach.port) == (Status.RUNNING, process.pid, 40123)
        assert (line.status, line.reach.port) == (Status.RUNNING, 40123)
    assert inspect("web", home, HOST).status is Status.STOPPED


def test_its_disk_is_not_copied_and_its_folder_not_removed_under_it(paths: InstancePaths) -> None:
    home = paths.dir.parent
    with running(paths):
        instance = inspect("web", home, HOST)
        with pytest.raises(InstanceError, match="is running, and cannot be deleted now"):
            must_be_stopped(instance, "deleted")
        with pytest.raises(InstanceError, match="is running, and cannot be copied now"):
            clone(instance, "copy", instance.document, home=home, host=HOST, report=silent)


@pytest.mark.parametrize("vm_type", VMType)
def test_it_is_stopped_as_our_own(paths: InstancePaths, vm_type: VMType) -> None:
    """By the pid file of whichever driver."""
    home = paths.dir.parent
    with running(paths, vm_type) as process:
        assert inspect("web", home, HOST).driver is not None
        request = Request(name="web", state="stopped")
        assert ensure(request, home=home, host=HOST, check=False, report=silent).changed
        assert process.wait(10) != 0
    assert inspect("web", home, HOST).status is Status.STOPPED
    assert not paths.ha_pid.exists()
    assert not paths.driver_pid(vm_type).exists()


def test_a_disk_that_its_factory_reset_removed_is_made_anew(paths: InstancePaths) -> None:
    paths.disk.unlink()
    home, events = paths.dir.parent, list[Event]()
    instance = inspect("web", home, HOST)
    made = recreate_disk(
        instance, driver_for("qemu"), home=home, access=NetworkAccess.ONLINE, report=events.append
    )
    assert paths.disk.exists()
    assert made.record.image.endswith("image.qcow2")
    assert "limactl factory-reset" in events[0].message
    assert inspect("web", home, HOST).record == made.record


def test_its_machine_is_stopped_by_force_without_waiting_for_its_host_agent(paths: InstancePaths) -> None:
    """Which has, at a SIGTERM, the guest shut down first, and ends with its machine."""
    agent = (
        "import signal, subprocess; signal.signal(signal.SIGTERM, lambda *_: None);"
        "machine = subprocess.Popen(['sleep', '600']); print(machine.pid, flush=True); machine.wait()"
    )
    argv = [sys.executable, "-c", agent, "hostagent"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        paths.driver_pid("qemu").write_text(process.stdout.readline())
        paths.ha_pid.write_text(f"{process.pid}\n")
        notices: list[str] = []
        halt(inspect("web", paths.dir.parent, HOST), force=True, notice=notices.append)
    assert notices == []
    assert inspect("web", paths.dir.parent, HOST).status is Status.STOPPED


class Killed(BaseException):
    """As SIGKILL ends a run: no clean-up of ours is for it."""


@pytest.mark.parametrize("name", ["initrd", "kernel.cmdline", "kernel", "disk"])
def test_a_run_that_is_killed_while_it_makes_the_disk_leaves_nothing_that_looks_whole(
    paths: InstancePaths, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    paths.disk.unlink()
    home = paths.dir.parent
    for part in ("kernel", "initrd"):
        (home / part).write_text(f"the {part}")
    kernel = f"kernel: {{location: {home}/kernel, cmdline: quiet}}, initrd: {{location: {home}/initrd}}"
    paths.lima_yaml.write_text(paths.lima_yaml.read_text().replace("qcow2}", f"qcow2, {kernel}}}"))
    real = Path.replace

    def killed(path: Path, target: Path) -> Path:
        if target == paths.dir / name:
            path.write_text("half")
            raise Killed
        return real(path, target)

    def remake() -> None:
        instance = inspect("web", home, HOST)
        recreate_disk(instance, driver_for("qemu"), home=home, access=NetworkAccess.ONLINE, report=silent)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(Killed):
            remake()
    assert not paths.disk.exists()
    remake()
    assert virtual_size(paths.disk) == 1 << 20
    assert [each.read_text() for each in (paths.kernel, paths.initrd)] == ["the kernel", "the initrd"]
    assert paths.kernel_cmdline.read_text() == "quiet"


def test_its_older_layout_is_taken_over_in_its_own_way(paths: InstancePaths) -> None:
    paths.disk.rename(paths.dir / "diffdisk")
    home = paths.dir.parent
    recreate_disk(
        inspect("web", home, HOST), driver_for("qemu"), home=home, access=NetworkAccess.ONLINE, report=silent
    )
    assert paths.disk.readlink() == Path("diffdisk")
