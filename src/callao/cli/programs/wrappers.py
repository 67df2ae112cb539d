# SPDX-License-Identifier: GPL-3.0-or-later
"""``lima``, ``docker.lima`` and their kind: commands in the guest, or clients of its engines."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import NamedTuple

from callao.cli.programs.names import Program
from callao.errors import CallaoError, InstanceNotFound
from callao.host_basics import lima_home
from callao.instances.index import IndexedInstance, indexed_instance
from callao.instances.status import Status

_OWN_FLAGS = {"-h": "--help", "--help": "--help", "-v": "--version", "--version": "--version"}
"""What ``lima`` answers itself, where it is all of the line."""


class _Client(NamedTuple):
    """How the host's own client of an engine is called; paths are below the instance's folder."""

    program: str
    overridden_by: str
    variable: str
    value: str
    options: tuple[str, ...] = ()
    in_guest: tuple[str, ...] = ()


_CLIENTS = {
    Program.DOCKER: _Client("docker", "DOCKER", "DOCKER_HOST", "unix://{dir}/sock/docker.sock"),
    Program.PODMAN: _Client(
        "podman", "PODMAN", "CONTAINER_HOST", "unix://{dir}/sock/podman.sock", ("--remote",)
    ),
    Program.KUBECTL: _Client(
        "kubectl", "KUBECTL", "KUBECONFIG", "{dir}/copied-from-guest/kubeconfig.yaml", in_guest=("sudo",)
    ),
}


def arguments(program: Program, words: Sequence[str]) -> list[str]:
    """limactl's arguments for a call of one of the small programs, unless the host's own client takes over.

    :raises CallaoError: when the instance does not exist, or does not run.
    """
    if limactl := os.environ.get("LIMACTL"):
        os.execvp(limactl, [limactl, *_line(program, words)])  # noqa: S606 - an argv list
    return _line(program, words)


def _line(program: Program, words: Sequence[str]) -> list[str]:
    if program is Program.LIMA:
        if len(words) == 1 and words[0] in _OWN_FLAGS:
            return [_OWN_FLAGS[words[0]]]
        return _shell(_usual("default"), words)
    if program is Program.NERDCTL:
        return ["shell", "--preserve-env", _usual("default"), "nerdctl", *words]
    if program is Program.APPTAINER:
        bound = ",".join(filter(None, (os.environ.get("APPTAINER_BINDPATH"), os.environ.get("HOME"))))
        return _shell(_usual("apptainer"), [f"APPTAINER_BINDPATH={bound}", "apptainer", *words])
    client = _CLIENTS[program]
    found = _running(program, _candidates(program))
    path = shutil.which(os.environ.get(client.overridden_by) or client.program)
    if path is not None:
        environment = {**os.environ, client.variable: client.value.format(dir=found.dir)}
        os.execve(path, [client.program, *client.options, *words], environment)  # noqa: S606 - an argv list
    return _shell(found.name, [*client.in_guest, client.program, *words])


def _usual(name: str) -> str:
    return os.environ.get("LIMA_INSTANCE") or name


def _candidates(program: Program) -> tuple[str, ...]:
    """The instances that the program may mean; the first that exists is the one."""
    chosen = os.environ.get("LIMA_INSTANCE")
    if chosen:
        return (chosen,)
    return ("k3s", "k8s") if program is Program.KUBECTL else (_CLIENTS[program].program,)


def _running(program: Program, names: tuple[str, ...]) -> IndexedInstance:
    for name in names:
        try:
            found = indexed_instance(name, lima_home())
        except InstanceNotFound:
            continue
        if found.status is not Status.RUNNING:
            raise CallaoError(
                f"{program.value}: instance {name!r} is not running (it is {found.status}).",
                hint=f"Start it: limactl start {name}",
            )
        return found
    raise CallaoError(
        f"{program.value}: instance {' or '.join(map(repr, names))} does not exist.",
        hint=f"Create it: limactl start template:{names[0]}",
    )


def _shell(instance: str, words: Sequence[str]) -> list[str]:
    options: list[str] = []
    for option, variable in (("--workdir", "LIMA_WORKDIR"), ("--shell", "LIMA_SHELL")):
        if value := os.environ.get(variable):
            options += [option, value]
    return ["shell", *options, "--instance", instance, *words]
