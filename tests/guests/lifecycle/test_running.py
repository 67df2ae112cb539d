# SPDX-License-Identifier: GPL-3.0-or-later
"""One real instance through what a user does with it, from a first start that fails; the tests share it."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import socket
import stat
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.home import Golden, Home, temporary_home

from callao.errors import AgentError, StageFailed
from callao.events import Event, EventState, Stage
from callao.hostagent.api.client import call
from callao.instances import Status, inspect
from callao.instances.process_identity import alive, wait_gone
from callao.ports import any_free

pytestmark = pytest.mark.guest

PORT = any_free()
PAGE = """#!/bin/sh
set -eu
mkdir -p /srv/page
echo hello from $PARAM_WHO >/srv/page/index.html
cat >/etc/systemd/system/page.service <<'UNIT'
[Service]
ExecStart=/usr/bin/python3 -m http.server 8080 --directory /srv/page
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now page.service
echo once >>/srv/page/runs
"""
SET_UP = """#!/bin/sh
echo "$1 $CONTAINERD_SNAPSHOTTER" >>~/containerd
[ "$1" = install ] || exit 0
mkdir -p ~/.config/systemd/user
printf '[Service]\\nExecStart=/usr/bin/sleep inf\\n[Install]\\nWantedBy=default.target\\n' \\
  >~/.config/systemd/user/containerd.service
systemctl --user daemon-reload
systemctl --user enable --now containerd.service
"""
"""In place of nerdctl's tool of the name, which makes such a unit."""

BROKEN = "#!/bin/sh\necho the disk of dreams is missing >&2\nexit 7\n"
NAME = "box.one_x"
HOSTNAME = "lima-box-one-x"


def archive(folder: Path) -> Path:
    """A stand-in for nerdctl's archive, some megabytes large."""
    path = folder / "nerdctl.tgz"
    programs = {"nerdctl": b"#!/bin/sh\n", "containerd-rootless-setuptool.sh": SET_UP.encode()}
    with tarfile.open(path, "w:gz") as tar:
        for name, data in {**programs, "containerd": os.urandom(5_000_000)}.items():
            member = tarfile.TarInfo(f"bin/{name}")
            member.size, member.mode = len(data), 0o755
            tar.addfile(member, io.BytesIO(data))
    return path


class Box:
    """The instance, and the request that keeps it as it is."""

    def __init__(self, home: Home, shared: Path) -> None:
        self.home = home
        self.shared = shared
        self.events: list[Event] = []
        self.first: list[Event] = []
        self.second: list[Event] = []
        own = {"mode": "dependency", "script": "#!/bin/sh\n:\n", "skipDefaultDependencyResolution": True}
        self.extra: dict[str, Any] = {
            "param": {"WHO": "callao"},
            "provision": [{"mode": "system", "script": PAGE}, own],
            "containerd": {"user": True, "archives": [{"location": str(archive(shared))}]},
            "probes": [{"script": "#!/bin/sh\ntest -s /srv/page/index.html\n", "hint": "see page.service"}],
            "portForwards": [{"guestPort": 8080, "hostPort": PORT, "proto": "tcp"}],
            "copyToHost": [
                {"guest": "/etc/shadow", "host": "{{.Dir}}/copied-from-guest/shadow", "deleteOnStop": True},
                {"guest": "{{.Home}}/nosuch", "host": "{{.Dir}}/nosuch", "skipIfMissing": True},
            ],
            "mounts": [
                {"location": str(shared / "rw"), "mountPoint": "/mnt/rw", "writable": True},
                {"location": str(shared / "ro"), "mountPoint": "/mnt/ro"},
            ],
        }

    def ensure(self, **request: Any) -> Any:
        self.events.clear()
        request.setdefault("timeout", 600)
        return self.home.ensure(NAME, extra=self.extra, events=self.events, **request)

    def now(self) -> Any:
        return inspect(NAME, self.home.path, self.home.host)

    def ssh(self, command: str) -> str:
        done = self.home.ssh(NAME, command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def box(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    shared = tmp_path_factory.mktemp("shared")
    for name in ("rw", "ro"):
        (shared / name).mkdir()
        (shared / name / "host.txt").write_text(f"{name} from the host\n")
    with temporary_home(golden) as home:
        yield Box(home, shared)


def page(port: int) -> str:
    """What the guest's service says, once it listens: the probe asks for its file alone."""
    deadline = time.monotonic() + 180
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
                return str(answer.read().decode().strip())
        except (OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_a_failing_provision_script_is_named_with_its_output(box: Box) -> None:
    good = box.extra["provision"]
    box.extra["provision"] = [*good, {"mode": "system", "script": BROKEN}]
    with pytest.raises(StageFailed) as caught:
        box.ensure()
    box.extra["provision"] = good
    box.first = [*box.events]
    assert caught.value.stage == "provision"
    assert "the disk of dreams is missing" in caught.value.evidence
    assert box.now().status is Status.RUNNING
    assert box.now().failure is not None


def test_without_leave_to_restart_a_change_waits_and_says_so(box: Box) -> None:
    machine = box.now().driver
    box.extra["memory"] = "1280MiB"
    outcome = box.ensure(restart="never")
    assert outcome.actions == ("configure",)
    assert "memory, provision takes effect at the next start" in " ".join(outcome.notices)
    assert box.now().driver == machine
    waiting = box.ensure(restart="never")
    assert not waiting.changed
    assert "takes effect at the next start" in " ".join(waiting.notices)


def test_the_next_run_that_may_restart_mends_it_and_makes_the_waiting_change(box: Box) -> None:
    outcome = box.ensure()
    box.second = [*box.events]
    assert outcome.actions == ("stop", "start")
    assert box.now().ready
    assert int(box.ssh("awk '/MemTotal/ { print $2 }' /proc/meminfo")) > 1024**2
    assert box.ssh("cat /srv/page/runs").splitlines() == ["once"] * 2
    assert not box.ensure().changed


def test_each_stage_was_told_in_order_with_its_time(box: Box) -> None:
    first, second = (
        [event for event in events if event.state is EventState.DONE] for events in (box.first, box.second)
    )
    booted = [Stage.DRIVER, Stage.SSHD, Stage.FIRST_BOOT]
    rest = [Stage.PROVISION, Stage.MOUNTS, Stage.PROBES, Stage.COPIES, Stage.READY]
    assert [event.stage for event in first] == [Stage.IMAGE, Stage.DISK, *booted]
    assert [event.stage for event in second if event.stage is not Stage.STOP] == [*booted, *rest]
    for done in (first, second):
        times = [event.seconds for event in done if event.seconds is not None]
        assert times == sorted(times)
    assert set(box.now().timings) == {str(stage) for stage in (*booted, *rest)}


def test_the_host_key_is_ours_and_checked(box: Box) -> None:
    assert box.ssh("ls /etc/ssh/ssh_host_*_key") == "/etc/ssh/ssh_host_ed25519_key"
    served = box.ssh("sudo cat /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    assert served in (box.home.path / NAME / "known_hosts").read_text()
    (box.home.path / "other").write_text(f"lima-{NAME} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFYQ\n")
    config = box.home.path / NAME / "ssh.config"
    argv = ["ssh", "-F", str(config), "-o", "ControlPath=none"]
    argv += ["-o", f"UserKnownHostsFile={box.home.path / 'other'}", f"lima-{NAME}", "true"]
    refused = subprocess.run(argv, capture_output=True, text=True, timeout=180, check=False)
    assert refused.returncode == 255
    assert "verification failed" in refused.stderr.lower()


def test_the_guest_has_its_names_and_its_first_nic_from_its_first_boot_on(box: Box) -> None:
    assert box.ssh("hostname; hostname -f").split() == [HOSTNAME] * 2
    assert box.ssh(f"getent ahostsv4 {HOSTNAME}.internal").split()[0] == "192.168.5.15"
    assert box.ssh("getent ahostsv4 host.lima.internal").split()[0] == "192.168.5.2"
    route = box.ssh("ip route show default")
    assert "via 192.168.5.2 dev eth0 " in route
    assert " metric 200" in route


def test_the_folder_has_limas_files_and_keeps_secrets(box: Box) -> None:
    folder = box.home.path / NAME
    for name in (
        "ha.pid",
        "ha.sock",
        "ha.stdout.log",
        "ha.stderr.log",
        "qemu.pid",
        "qmp.sock",
        "serial.log",
    ):
        assert (folder / name).exists(), name
    for name in ("ssh.config", "lima.yaml", "cidata.iso", "known_hosts", "lima-version"):
        assert (folder / name).stat().st_size > 0, name
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for secret in (
        folder / "ssh_host_ed25519_key",
        folder / "cidata.iso",
        box.home.path / "_config" / "user",
    ):
        assert stat.S_IMODE(secret.stat().st_mode) & 0o077 == 0, secret


def test_every_line_of_the_journal_is_an_object_with_a_time(box: Box) -> None:
    lines = (box.home.path / NAME / "ha.stdout.log").read_text().splitlines()
    said = [json.loads(line) for line in lines]
    assert all("time" in line for line in said)
    assert any(line.get("status", {}).get("running") for line in said)


def test_the_agent_answers_on_its_socket(box: Box) -> None:
    info = call(box.home.path / NAME / "ha.sock", "GET", "/v1/info")
    assert info["sshLocalPort"] == box.now().reach.port
    assert info["ready"] is True
    assert info["listeners"] == {"by": "events"}


def test_a_closed_terminal_ends_nothing(box: Box) -> None:
    agent = box.now().agent
    os.kill(agent.pid, signal.SIGHUP)
    time.sleep(0.5)
    assert alive(agent)
    assert os.getsid(agent.pid) != os.getsid(0)
    assert (box.home.path / NAME / "qemu-efi-vars.fd").exists()


def test_nothing_listens_but_on_loopback(box: Box) -> None:
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    ours = [line.split()[3] for line in listening.splitlines() if f"pid={box.now().driver.pid}," in line]
    assert ours
    assert all(address.startswith("127.0.0.1:") for address in ours)


def test_a_service_in_the_guest_is_on_the_hosts_port(box: Box) -> None:
    assert page(PORT) == "hello from callao"


def test_the_disk_grew_to_what_was_asked(box: Box) -> None:
    assert int(box.ssh("df --output=size -B1 / | tail -1")) > 5 * 2**30


def test_a_second_run_changes_nothing(box: Box) -> None:
    outcome = box.ensure()
    assert (outcome.changed, outcome.actions, outcome.before) == (False, (), None)
    assert box.events == []


def test_containerd_is_set_up_once_for_the_user_from_the_archive(box: Box) -> None:
    active = "XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user is-active containerd"
    assert box.ssh(f"{active}; cat ~/containerd").splitlines() == [
        "active",
        "install overlayfs",
        "install-buildkit-containerd overlayfs",
        "install-stargz overlayfs",
    ]
    assert box.ssh("cat /usr/local/bin/containerd | wc -c") == "5000000"


def test_a_file_that_only_root_may_read_is_copied_to_the_host(box: Box) -> None:
    copy = box.home.path / NAME / "copied-from-guest" / "shadow"
    assert copy.read_text().strip() == box.ssh("sudo cat /etc/shadow")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not (box.home.path / NAME / "nosuch").exists()


def test_a_file_is_copied_when_the_running_instance_is_told_so(box: Box) -> None:
    copied = {"guest": "/srv/page/index.html", "host": str(box.shared / "rw" / "new" / "page")}
    missing = {"guest": "/srv/nosuch", "host": str(box.shared / "rw" / "nosuch")}
    before = box.extra["copyToHost"]
    for _ in range(2):
        box.extra["copyToHost"] = [*before, missing]
        with pytest.raises(AgentError, match=r"copyToHost\[2\]: /srv/nosuch does not exist in the guest"):
            box.ensure()
    box.extra["copyToHost"] = [*before, copied]
    assert box.ensure().actions == ("configure", "refresh")
    assert (box.shared / "rw" / "new" / "page").read_text() == "hello from callao\n"


def test_a_writable_mount_is_shared_both_ways(box: Box) -> None:
    assert box.ssh("cat /mnt/rw/host.txt") == "rw from the host"
    box.ssh("echo from the guest > /mnt/rw/guest.txt")
    assert (box.shared / "rw" / "guest.txt").read_text() == "from the guest\n"


def test_a_mount_that_is_not_writable_withstands_the_guests_root(box: Box) -> None:
    assert box.ssh("cat /mnt/ro/host.txt") == "ro from the host"
    done = box.home.ssh(NAME, "sudo mount -o remount,rw /mnt/ro; sudo sh -c 'echo x > /mnt/ro/guest.txt'")
    assert done.returncode != 0
    assert [path.name for path in (box.shared / "ro").iterdir()] == ["host.txt"]


def test_check_mode_tells_a_change_and_touches_nothing(box: Box) -> None:
    before = (box.home.path / NAME / "lima.yaml").read_bytes()
    outcome = box.ensure(config={"cpus": 2}, check=True)
    assert outcome.changed
    assert outcome.actions == ("configure", "stop", "start")
    assert (outcome.before["cpus"], outcome.after["cpus"]) == (1, 2)
    assert (box.home.path / NAME / "lima.yaml").read_bytes() == before


def test_a_forward_changes_while_it_runs(box: Box) -> None:
    other = any_free()
    machine = box.now().driver
    box.extra["portForwards"] = [{"guestPort": 8080, "hostPort": other, "proto": "tcp"}]
    outcome = box.ensure()
    assert outcome.actions == ("configure", "refresh")
    assert box.now().driver == machine
    assert page(other) == "hello from callao"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", PORT), timeout=5)


def test_a_taken_port_is_refused_and_what_was_forwarded_stays(box: Box) -> None:
    good = box.extra["portForwards"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        box.extra["portForwards"] = [{"guestPort": 8080, "hostPort": taken, "proto": "tcp"}]
        for _ in range(2):
            with pytest.raises(AgentError, match=str(taken)):
                box.ensure()
    box.extra["portForwards"] = good
    box.ensure()
    assert page(good[0]["hostPort"]) == "hello from callao"


def test_labels_are_kept_beside_lima_yaml(box: Box) -> None:
    outcome = box.ensure(labels={"team": "web"})
    assert outcome.actions == ("label",)
    assert box.now().labels == {"team": "web"}
    assert "team" not in (box.home.path / NAME / "lima.yaml").read_text()
    assert not box.ensure(labels={"team": "web"}).changed
    assert not box.ensure().changed


def test_the_agent_stops_the_guest_gracefully_on_sigint(box: Box) -> None:
    instance = box.now()
    os.kill(instance.agent.pid, signal.SIGINT)
    assert wait_gone(instance.agent, 120)
    assert not alive(instance.driver)
    assert box.now().status is Status.STOPPED
    assert not (instance.dir / "copied-from-guest" / "shadow").exists()
    assert (box.shared / "rw" / "new" / "page").exists()
    log = (box.home.path / NAME / "serial.log").read_text(errors="replace")
    assert "Power down" in log or "reboot: Power down" in log
    left = sorted(path.name for path in instance.dir.iterdir() if path.suffix in (".sock", ".pid"))
    assert left == []


def test_stopped_stays_stopped(box: Box) -> None:
    assert not box.ensure(state="stopped").changed
    assert not box.ensure(state="present").changed


def test_a_forced_stop_takes_no_time_for_the_guest(box: Box) -> None:
    home = box.home
    home.ensure("quick", extra=home.direct(), warm=True, timeout=600)
    began = time.monotonic()
    home.ensure("quick", template=None, state="stopped", force=True)
    assert inspect("quick", home.path, home.host).status is Status.STOPPED
    assert time.monotonic() - began < StopLimit.ACPI
    assert home.processes() == []
    home.delete("quick")


class StopLimit:
    """The graceful way's first bound, in seconds: a forced stop never waits for it."""

    ACPI = 60.0


def test_absent_leaves_nothing(box: Box) -> None:
    outcome = box.home.ensure(NAME, state="absent", template=None)
    assert outcome.actions == ("delete",)
    assert outcome.after is None
    assert [path.name for path in box.home.path.iterdir() if NAME in path.name and path.is_dir()] == []
    assert not box.home.ensure(NAME, state="absent", template=None).changed
