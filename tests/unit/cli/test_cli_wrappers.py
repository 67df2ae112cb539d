# SPDX-License-Identifier: GPL-3.0-or-later
"""The small programs that Lima installs beside limactl."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
from cli.conftest import Done, Line

from callao.cli.programs import wrappers
from callao.cli.programs.names import Program


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER", "PODMAN", "KUBECTL", "LIMACTL", "APPTAINER_BINDPATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("program", "environment", "words", "line"),
    [
        (Program.LIMA, {}, ["uname", "-a"], ["shell", "--instance", "default", "uname", "-a"]),
        (Program.LIMA, {"LIMA_INSTANCE": "web", "LIMA_WORKDIR": "/srv", "LIMA_SHELL": "/bin/zsh"}, [],
         ["shell", "--workdir", "/srv", "--shell", "/bin/zsh", "--instance", "web"]),
        (Program.LIMA, {}, ["--start", "true"], ["shell", "--instance", "default", "--start", "true"]),
        (Program.LIMA, {}, ["-h"], ["--help"]),
        (Program.LIMA, {}, ["--version"], ["--version"]),
        (Program.LIMA, {}, ["ls", "-h"], ["shell", "--instance", "default", "ls", "-h"]),
        (Program.NERDCTL, {}, ["ps", "--help"],
         ["shell", "--preserve-env", "default", "nerdctl", "ps", "--help"]),
        (Program.APPTAINER, {"HOME": "/h", "APPTAINER_BINDPATH": "/d"}, ["run", "x"],
         ["shell", "--instance", "apptainer", "APPTAINER_BINDPATH=/d,/h", "apptainer", "run", "x"]),
    ],
)  # fmt: skip
def test_a_wrapper_stands_for_a_line_of_limactl(
    callao: Line, monkeypatch: pytest.MonkeyPatch, program: Program, environment: dict[str, str],
    words: list[str], line: list[str],
) -> None:  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wrappers.arguments(program, words) == line


@pytest.mark.parametrize(
    ("program", "instance", "variable", "value", "options", "in_guest"),
    [
        (Program.DOCKER, "docker", "DOCKER_HOST", "unix://{dir}/sock/docker.sock", [], ["docker"]),
        (Program.PODMAN, "podman", "CONTAINER_HOST", "unix://{dir}/sock/podman.sock", ["--remote"],
         ["podman"]),
        (Program.KUBECTL, "k8s", "KUBECONFIG", "{dir}/copied-from-guest/kubeconfig.yaml", [],
         ["sudo", "kubectl"]),
    ],
)  # fmt: skip
def test_the_hosts_client_is_used_where_there_is_one(
    callao: Line, monkeypatch: pytest.MonkeyPatch, program: Program, instance: str, variable: str,
    value: str, options: list[str], in_guest: list[str],
) -> None:  # fmt: skip
    callao.run(instance)
    monkeypatch.setenv("PATH", str(callao.home.parent / "bin"))
    assert wrappers.arguments(program, ["ps"]) == ["shell", "--instance", instance, *in_guest, "ps"]
    path = callao.program("client", "#!/bin/sh\n")
    monkeypatch.setenv(program.value.partition(".")[0].upper(), "client")
    run: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *given: run.append(given))
    wrappers.arguments(program, ["ps"])
    found, argv, environment = run[0]
    assert (found, argv[1:]) == (str(path), [*options, "ps"])
    assert environment[variable] == value.format(dir=callao.home / instance)


def called_as(callao: Line, monkeypatch: pytest.MonkeyPatch, name: str, *words: str) -> Done:
    monkeypatch.setattr(sys, "argv", [name])
    return callao(*words)


def test_an_instance_that_is_missing_or_stopped_is_named_with_the_command(
    callao: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = called_as(callao, monkeypatch, "kubectl.lima", "get", "pods")
    assert (missing.status, missing.out) == (1, "")
    assert "limactl start template:k3s" in missing.err
    callao.write("docker")
    stopped = called_as(callao, monkeypatch, "docker.lima", "ps")
    assert stopped.status == 1
    assert "limactl start docker" in stopped.err


def test_links_are_made_and_no_other_program_is_replaced(callao: Line) -> None:
    folder = callao.home.parent / "links"
    assert callao("install-links", str(folder)).status == 0
    assert {link.name for link in folder.iterdir()} == {each.value for each in Program}
    assert callao("install-links", str(folder), "limactl").status == 0
    (folder / "limactl").unlink()
    (folder / "limactl").write_text("Lima's own")
    done = callao("install-links", str(folder))
    assert (done.status, "another program has this name" in done.err) == (1, True)
    assert (folder / "limactl").read_text() == "Lima's own"


def test_another_limactl_may_be_named(callao: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMACTL", "/opt/limactl")
    run: list[Any] = []
    monkeypatch.setattr(os, "execvp", lambda *given: run.append(given))
    wrappers.arguments(Program.LIMA, ["id"])
    assert run == [("/opt/limactl", ["/opt/limactl", "shell", "--instance", "default", "id"])]


def test_flags_of_shell_count_before_the_command_and_unknown_ones_are_refused(
    callao: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    callao.write("default")
    stopped = called_as(callao, monkeypatch, "lima", "--tty=false", "--start=false")
    assert "instance `default` is stopped" in stopped.err
    unknown = called_as(callao, monkeypatch, "lima", "--nonexistent-flag")
    assert (unknown.status, "unknown flag: --nonexistent-flag" in unknown.err) == (1, True)
