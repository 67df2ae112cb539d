# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances that Lima itself made, and runs: seen as they are, and left as they are."""

from __future__ import annotations

import json
import subprocess

import pytest
from cli.conftest import Line

from callao.instances import InstancePaths

YAML = """# made by limactl
vmType: qemu
images:
- location: https://example.com/image.qcow2
  arch: x86_64
cpus: 4
memory: 2GiB   # enough
mounts:
- location: "~"
"""
SSH = """# ssh -F x lima-box
Host lima-box
  Hostname 127.0.0.1
  Port 60099
  User ann
"""


def lima(callao: Line, pid: int = 0) -> InstancePaths:
    paths = InstancePaths(callao.home / "box")
    paths.dir.mkdir()
    paths.lima_yaml.write_text(YAML)
    paths.lima_version.write_text("2.0.3")
    for name in ("basedisk", "diffdisk", "cidata.iso"):
        (paths.dir / name).write_bytes(b"QFI\xfb")
    paths.ssh_config.write_text(SSH)
    if pid:
        paths.ha_pid.write_text(f"{pid}\n")
    return paths


@pytest.fixture
def sleeper(callao: Line) -> subprocess.Popen[bytes]:
    callao.sleepers.append(subprocess.Popen(["sleep", "600"]))
    return callao.sleepers[-1]


def test_a_stopped_one_is_listed(callao: Line) -> None:
    lima(callao)
    row = callao("list").out.splitlines()[1].split()
    assert row[:8] == ["box", "Stopped", "-", "qemu", "x86_64", "4", "2GiB", "100GiB"]


def test_a_running_one_is_listed_with_its_port(callao: Line, sleeper: subprocess.Popen[bytes]) -> None:
    lima(callao, sleeper.pid)
    assert callao("list").out.splitlines()[1].split()[:3] == ["box", "Running", "127.0.0.1:60099"]
    said = json.loads(callao("list", "--json").out)
    assert said["sshLocalPort"] == 60099
    assert said["hostAgentPID"] == sleeper.pid
    assert said["limaVersion"] == "2.0.3"
    assert said["ready"] is True


def test_a_pid_file_of_a_process_that_is_gone_means_stopped(
    callao: Line, sleeper: subprocess.Popen[bytes]
) -> None:
    paths = lima(callao, sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    assert callao("list").out.splitlines()[1].split()[1] == "Stopped"
    paths.ha_pid.write_text("nonsense")
    assert callao("list").out.splitlines()[1].split()[1] == "Stopped"


def test_a_shell_goes_by_limas_ssh_config(
    callao: Line, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    import callao.cli.commands.shell as module

    seen: list[list[str]] = []
    monkeypatch.setattr(module.os, "execvp", lambda program, argv: seen.append(argv))
    paths = lima(callao, sleeper.pid)
    assert callao("shell", "box", "true").status == 0
    assert seen[0][:3] == ["ssh", "-F", str(paths.ssh_config)]
    assert "lima-box" in seen[0]


def test_show_ssh_names_it(callao: Line) -> None:
    lima(callao)
    assert callao("show-ssh", "box", "-f", "config").out == SSH


@pytest.mark.parametrize(
    "line", [["list"], ["list", "--json"], ["show-ssh", "box"], ["stop", "box"], ["protect", "box"],
             ["clone", "box", "other"], ["factory-reset", "box"], ["shell", "box"], ["prune"],
             ["validate", "box"]],
)  # fmt: skip
def test_no_command_but_edit_writes_its_lima_yaml(callao: Line, line: list[str]) -> None:
    paths = lima(callao)
    before = paths.lima_yaml.stat()
    callao(*line)
    assert paths.lima_yaml.read_text() == YAML
    assert paths.lima_yaml.stat().st_ino == before.st_ino
    assert paths.lima_yaml.stat().st_mtime_ns == before.st_mtime_ns


def test_stopping_one_asks_its_agent_as_limactl_does(callao: Line, sleeper: subprocess.Popen[bytes]) -> None:
    paths = lima(callao, sleeper.pid)
    done = callao("stop", "box")
    assert done.status == 0, done.err
    assert sleeper.wait(timeout=10) == -2
    assert paths.lima_yaml.read_text() == YAML
    assert (paths.dir / "diffdisk").exists()
    assert callao("list").out.splitlines()[1].split()[1] == "Stopped"


def test_deleting_one_removes_its_folder(callao: Line) -> None:
    lima(callao)
    assert callao("delete", "box").status == 0
    assert callao.names() == []
    assert not (callao.home / "box").exists()


def test_its_disk_is_not_copied_or_replaced_by_halves(callao: Line) -> None:
    paths = lima(callao)
    done = callao("clone", "box", "other")
    assert done.status == 1
    assert "has no disk that could be copied" in done.err
    done = callao("factory-reset", "box")
    assert done.status == 1
    assert "was made by Lima" in done.err
    assert callao.names() == ["box"]
    assert sorted(path.name for path in paths.dir.iterdir()) == [
        "basedisk", "cidata.iso", "diffdisk", "lima-version", "lima.yaml", "ssh.config",
    ]  # fmt: skip


def test_an_edit_keeps_its_comments(callao: Line) -> None:
    paths = lima(callao)
    editor = callao.program("editor", "#!/bin/sh\nsed -i 's/cpus: 4/cpus: 3/' \"$1\"\n")
    done = callao.process("edit", "box", env={**__import__("os").environ, "EDITOR": str(editor)})
    assert done.status == 0, done.err
    assert paths.lima_yaml.read_text() == YAML.replace("cpus: 4", "cpus: 3") + "arch: x86_64\n"
