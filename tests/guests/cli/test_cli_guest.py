# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line on a real guest, as a user types it; the tests run in order and share it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.home import Golden, Home, temporary_home

from callao.drivers.qemu.disks.qcow2 import backing_file
from callao.guest.zipapp import zipapp_bytes
from callao.ports import any_free

pytestmark = pytest.mark.guest

ODD = ["two words", "a:b", "it's", "ünï"]
"""Names of files that shells and copying programs may stumble over."""


class Box:
    """The command line, and the guest that it keeps."""

    def __init__(self, home: Home, shared: Path) -> None:
        self.home = home
        self.shared = shared
        self.started: subprocess.CompletedProcess[str] | None = None

    def __call__(
        self, *arguments: str, stdin: str = "", cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*arguments),
            input=stdin, capture_output=True, text=True, check=False, timeout=600, cwd=cwd,
            env={**os.environ, "LIMA_HOME": str(self.home.path), **environment},
        )  # fmt: skip

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "callao.cli.main", *arguments]

    def said(self, *arguments: str, **how: str) -> str:
        done = self(*arguments, **how)  # type: ignore[arg-type]
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def status(self, name: str) -> str:
        return self.said("list", "--format", "{{.Status}}", name)


@pytest.fixture(scope="module")
def box(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    shared = tmp_path_factory.mktemp("shared")
    (shared / "sub dir").mkdir()
    (shared / "greeting").write_text("hello\n")
    with temporary_home(golden) as home:
        box = Box(home, shared)
        template = home.template(
            **home.direct(),
            mounts=[{"location": str(shared), "mountPoint": "/mnt/host", "writable": True}],
            message="Welcome to {{.Name}}.",
            cpus=2,
        )
        # With one, it is of the kind that all tests share.
        box.started = box("start", "--name", "web", "--cpus", "1", "--warm", "--timeout", "5m", template)
        yield box


def test_a_start_tells_its_stages_on_stderr_and_nothing_on_stdout(box: Box) -> None:
    done = box.started
    assert done is not None
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    lines = done.stderr.splitlines()
    for stage in ("disk and configuration", "hypervisor", "an identity of its own", "ready"):
        assert any(line.startswith(f"✓ {stage}") for line in lines), stage
    assert lines[-2:] == ["Welcome to web.", "Ready. A shell in it: callao shell web"]
    assert "\x1b" not in done.stderr
    assert box.status("web") == "Running"
    assert box.said("list", "--format", "{{.CPUs}}") == "1"


def test_the_program_in_the_guest_is_installed_anew(box: Box) -> None:
    program = "/usr/local/bin/lima-guestagent"
    assert box("shell", "web", "sudo", "rm", program).returncode == 0
    done = box("guest-install", "web")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    digest = hashlib.sha256(zipapp_bytes()).hexdigest()
    assert box.said("shell", "web", "sha256sum", program).split()[0] == digest
    assert box.said("shell", "web", "systemctl", "is-active", "lima-guestagent") == "active"


def test_a_second_start_says_that_it_runs(box: Box) -> None:
    done = box("start", "web")
    assert (done.returncode, done.stdout) == (0, "")
    assert "web is running already." in done.stderr


def test_a_shell_gives_the_commands_output_and_status(box: Box) -> None:
    assert box.said("shell", "web", "hostname") == "lima-web"
    done = box("shell", "web", "sh", "-c", "echo out; echo err >&2; exit 42")
    assert (done.returncode, done.stdout, done.stderr) == (42, "out\n", "err\n")
    assert box("shell", "web", "no-such-command").returncode == 127
    assert box.said("shell", "web", "--", "echo", "--", "a  b", "$HOME", "it's") == "-- a  b $HOME it's"


def test_a_shell_passes_its_input_on_byte_by_byte(box: Box) -> None:
    text = "".join(f"line {number} ü\n" for number in range(20_000))
    assert box("shell", "web", "cat", stdin=text).stdout == text
    assert box("shell", "web", stdin="echo $((6 * 7))\nexit 5\n").returncode == 5
    assert "42" in box("shell", "web", stdin="echo $((6 * 7))\n").stdout


def test_a_shell_begins_where_the_hosts_directory_is_shared(box: Box) -> None:
    home = box.said("shell", "web", "sh", "-c", "echo $HOME")
    assert box("shell", "web", "pwd", cwd=box.shared).stdout == "/mnt/host\n"
    assert box("shell", "web", "pwd", cwd=box.shared / "sub dir").stdout == "/mnt/host/sub dir\n"
    assert box("shell", "web", "pwd", cwd=Path("/")).stdout.strip() == home
    assert box.said("shell", "--workdir", "/usr/lib", "web", "pwd") == "/usr/lib"
    assert box.said("shell", "web", "pwd", LIMA_WORKDIR="/etc") == "/etc"
    done = box("shell", "--workdir", "/none", "web", "touch", "/tmp/never")
    assert done.returncode == 1
    assert box("shell", "web", "test", "-e", "/tmp/never").returncode == 1


def test_a_shell_may_be_another(box: Box) -> None:
    assert box.said("shell", "--shell", "/bin/sh", "web", "echo", "a b") == "a b"
    assert box("shell", "web", stdin="readlink /proc/$$/exe\n", LIMA_SHELL="/bin/sh").stdout.endswith(
        "dash\n"
    )
    assert box.said("shell", LIMA_INSTANCE="web") == ""


def test_variables_come_along_only_when_asked(box: Box) -> None:
    line = ("web", "sh", "-c", 'printf "%s|%s" "$MINE" "$LD_FOR_THE_HOST"')
    theirs = {"MINE": "it's\ntwo", "LD_FOR_THE_HOST": "x"}
    assert box.said("shell", *line, **theirs) == "|"
    assert box.said("shell", "--preserve-env", *line, **theirs) == "it's\ntwo|"
    assert box.said("shell", "--preserve-env", *line, **theirs, LIMA_SHELLENV_BLOCK="+MINE") == "|"


@pytest.mark.parametrize("backend", ["rsync", "scp", "absent"])
def test_files_are_copied_there_and_back(box: Box, tmp_path: Path, backend: str) -> None:
    flags = [] if backend == "absent" else ["--backend", backend]
    has_rsync = box("shell", "web", "sh", "-c", "command -v rsync").returncode == 0
    if backend == "rsync" and not (has_rsync and shutil.which("rsync")):
        done = box("copy", *flags, __file__, "web:")
        assert done.returncode == 1
        assert "there is no rsync in web" in done.stderr
        return
    environment = {"PATH": _without_rsync(tmp_path)} if backend == "absent" else {}
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    for name in ODD:
        (tree / name).write_text(f"{name} of the host\n")
    (tree / "inner" / "deep").write_text("deep\n")
    folder = f"/tmp/copied by {backend}"
    box.said("shell", "web", "mkdir", folder)
    done = box("copy", *flags, *(f"./{name}" for name in ODD), f"web:{folder}/", cwd=tree, **environment)
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "")
    assert sorted(box.said("shell", "web", "ls", folder).splitlines()) == sorted(ODD)
    done = box("copy", "-r", *flags, str(tree), f"web:{folder}", **environment)
    assert done.returncode == 0, done.stderr
    assert box.said("shell", "web", "cat", f"{folder}/tree/inner/deep") == "deep"
    back = tmp_path / "back"
    done = box("cp", "-r", *flags, f"web:{folder}/tree", str(back), **environment)
    assert done.returncode == 0, done.stderr
    found = back / "tree" if (back / "tree").is_dir() else back
    assert sorted(each.name for each in found.iterdir()) == sorted([*ODD, "inner"])
    for name in ODD:
        done = box("copy", *flags, f"web:{folder}/{name}", str(tmp_path / "one"), **environment)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "one").read_text() == f"{name} of the host\n"
    assert box("copy", *flags, f"web:{folder}/none", str(tmp_path), **environment).returncode != 0


def test_paths_without_a_slash_are_below_the_home_there(box: Box, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    for target in ("web:", "web:g", "web:~/h"):
        done = box("copy", "f", target, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    home = box.said("shell", "web", "sh", "-c", "echo $HOME")
    assert box.said("shell", "web", "sh", "-c", f"cd {home} && ls -d f g h").split() == ["f", "g", "h"]


def _without_rsync(folder: Path) -> str:
    programs = folder / "bin"
    programs.mkdir()
    for name in ("ssh", "scp"):
        (programs / name).symlink_to(shutil.which(name) or "")
    return str(programs)


def test_a_port_forward_comes_while_it_runs(box: Box) -> None:
    serve = "cd && mkdir -p page && echo hello >page/index.html && cd page && python3 -m http.server 8000"
    box.said("shell", "web", "sh", "-c", f"nohup sh -c '{serve}' >/dev/null 2>&1 </dev/null &")
    port = any_free()
    pid = box.said("list", "--format", "{{.DriverPID}}", "web")
    done = box("edit", "web", "--port-forward", f"{port}:8000")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Changed web." in done.stderr
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page,
        ):
            assert page.read() == b"hello\n"
            break
        time.sleep(0.2)
    else:
        pytest.fail("nothing came through the forward")
    assert box.said("list", "--format", "{{.DriverPID}}", "web") == pid


def test_a_tunnel_leads_into_the_guests_network(box: Box) -> None:
    port = int(box.said("tunnel", "web").rpartition(":")[2])
    deadline = time.monotonic() + 180
    while True:
        try:
            answer = _through(port, "lima-web", 8000)
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert answer.endswith(b"hello\n")
    assert f"socks5h://127.0.0.1:{port}" in box.said("tunnel", "--list", "web")
    assert box("tunnel", "--stop", "web").returncode == 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port)).close()


def _through(port: int, host: str, guest_port: int) -> bytes:
    """A page by SOCKS 5 (RFC 1928), the name resolved on the other side."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as proxy:
        proxy.sendall(b"\x05\x01\x00")
        assert proxy.recv(2) == b"\x05\x00"
        name = host.encode()
        proxy.sendall(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + struct.pack(">H", guest_port))
        if proxy.recv(10)[1:2] != b"\0":  # ssh closes where it has no reply
            raise ConnectionError("the guest refuses")
        proxy.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: proxy.recv(4096), b""))


def _identity(box: Box, name: str) -> dict[str, str]:
    script = (
        "hostname; cat /sys/class/net/e*/address | head -1; "
        "sudo ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2; cat /etc/machine-id data"
    )
    found = box.said("shell", "--workdir", "/var/tmp", name, "sh", "-c", script).splitlines()
    return dict(zip(("hostname", "mac", "key", "machine", "data"), found, strict=True))


def test_one_goes_through_stop_rename_clone_and_reset(box: Box) -> None:
    box.said("shell", "web", "sh", "-c", "echo mine >/var/tmp/data; sync")
    before = _identity(box, "web")
    assert before["hostname"] == "lima-web"
    assert "is running" in box("clone", "web", "twin").stderr
    done = box("stop", "web")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert box.status("web") == "Stopped"
    assert "web is stopped already." in box("stop", "web").stderr

    key = (box.home.path / "web" / "ssh_host_ed25519_key").read_bytes()
    assert box("rename", "web", "api").returncode == 0
    assert (box.home.path / "api" / "ssh_host_ed25519_key").read_bytes() == key

    done = box("clone", "api", "twin", "--start", "--set", "del(.portForwards)", "--timeout", "5m")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    for stage in ("hypervisor", "sshd in the guest", "first boot", "ready"):
        assert any(line.startswith(f"✓ {stage}") for line in done.stderr.splitlines()), stage
    twin = _identity(box, "twin")
    assert twin == {**before, "hostname": "lima-twin", "mac": twin["mac"], "key": twin["key"]}
    assert twin["key"] != before["key"]
    assert twin["mac"] != before["mac"]
    assert box("shell", "twin", "cat", "greeting", cwd=box.shared).stdout == "hello\n"
    renewed = "rm /etc/machine-id; systemd-machine-id-setup"  # as docs/command-line.md has it
    assert box("shell", "twin", "sudo", "sh", "-c", renewed).returncode == 0
    assert box.said("shell", "twin", "cat", "/etc/machine-id") not in ("", before["machine"])

    done = box("factory-reset", "twin")  # it runs, and is stopped without ceremony
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert box.status("twin") == "Stopped"
    disk = box.home.path / "twin" / "disk"
    base = backing_file(disk)
    assert base is not None
    assert (base.parent.name, base.stat().st_size) == ("qcow2", box.home.golden.disk.stat().st_size)
    assert disk.stat().st_size < 2**20  # nothing is in it yet

    done = box("delete", "-f", "twin")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert box.said("list", "-q") == "api"
    assert box.home.processes() == []
    assert not [path for path in box.home.path.iterdir() if "twin" in path.name]
    done = box("delete", "-f", "api")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert box.said("list", "--json") == ""
    assert json.loads(box.said("info"))["limaHome"] == str(box.home.path)
