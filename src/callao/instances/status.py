# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists instances, their processes and status. Quick to import: reads no lima.yaml."""

from __future__ import annotations

import enum
import json
import os
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from callao.config.names import check_name, is_instance_name
from callao.errors import InstanceError, InstanceNotFound, InstanceProtected
from callao.instances.paths import InstancePaths
from callao.instances.processes import Process, ProcessLike, alive, process_from_pid_file
from callao.reach import LOOPBACK, Reach, from_fields

K = TypeVar("K", bound=ProcessLike)


class Status(enum.StrEnum):
    """Lima's values, and one of ours for a machine that is paused."""

    RUNNING = "Running"
    PAUSED = "Paused (disk full)"
    STOPPED = "Stopped"
    BROKEN = "Broken"


class LiveProcesses(NamedTuple):
    """The running host agent and hypervisor; ``reach`` is None while there is no agent."""

    agent: Process | None
    driver: Process | None
    reach: Reach | None = None


def instance_names(home: Path) -> list[str]:
    """The names of the instances under ``home``, sorted, without folders whose name no instance can have,
    such as ``_config`` and ``lost+found``.

    :raises InstanceError: when the home cannot be read.
    """
    try:
        entries = [entry.name for entry in home.iterdir() if is_directory(entry)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InstanceError(f"LIMA_HOME: {home} cannot be read: {error.strerror}.") from error
    return sorted(name for name in entries if is_instance_name(name))


def is_directory(path: Path) -> bool:
    """Whether it is a directory. ``Path.is_dir`` raises where permissions are missing."""
    return os.path.isdir(path)  # noqa: PTH112


def path_exists(path: Path) -> bool:
    """Whether it exists, likewise."""
    return os.path.exists(path)  # noqa: PTH110


def existing_paths(name: str, home: Path) -> InstancePaths:
    """The instance's folder.

    :raises ConfigError: when ``name`` is no valid name.
    :raises InstanceNotFound: when there is no such folder.
    :raises InstanceError: when the file system ignores case, and the name is another spelling of one there.
    """
    check_name(name)
    paths = InstancePaths(home / name)
    if not is_directory(paths.dir):
        known = ", ".join(instance_names(home)) or "none"
        raise InstanceNotFound(f"instance {name!r} does not exist in {home} (existing: {known}).")
    if _ignores_case(paths) and name not in (names := instance_names(home)):
        spelled = next((each for each in names if each.lower() == name.lower()), "")
        raise InstanceError(
            f"instance {name!r}: the file system of {home} ignores case, and the name there is {spelled!r}.",
            hint=f"Write it so: {spelled}. A new instance needs another name.",
        )
    return paths


def _ignores_case(paths: InstancePaths) -> bool:
    """Whether the file system finds the folder by another spelling of its name, as macOS's does.

    The instance's processes and its ssh alias would not be found by that one.
    """
    other = paths.dir.with_name(paths.name.swapcase())
    try:
        return other.name != paths.name and paths.dir.samefile(other)
    except OSError:
        return False


def live_processes(paths: InstancePaths) -> LiveProcesses:
    """The running processes, by runtime.json and the pid files."""
    recorded = _read_runtime(paths.runtime)
    recorded_agent, machine = _process(recorded.get("agent")), _process(recorded.get("driver"))
    agent, driver = recorded_or_from_pid_file(paths, recorded_agent, machine)
    reach = from_fields(recorded) if agent == recorded_agent else limactl_reach(paths)
    return LiveProcesses(agent, driver, reach if agent is not None else None)


def recorded_or_from_pid_file(
    paths: InstancePaths, agent: K | None, driver: K | None
) -> tuple[K | Process | None, K | Process | None]:
    """The recorded processes if they run, else those of the pid files.

    Another tool, such as limactl, may have started the machine since.
    """
    return (
        agent if alive(agent) else process_from_pid_file(paths.ha_pid),
        driver if alive(driver) else _hypervisor(paths),
    )


def _hypervisor(paths: InstancePaths) -> Process | None:
    """The hypervisor of a pid file of any driver, so that no driver needs to be imported."""
    for path in paths.driver_pids:
        if path_exists(path) and (process := process_from_pid_file(path)) is not None:
            return process
    return None


def limactl_reach(paths: InstancePaths) -> Reach | None:
    """The address and port that Lima's own host agent wrote into ssh.config; None where there is no port."""
    try:
        lines = paths.ssh_config.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    options: dict[str, str] = {}
    for line in lines:
        key, _, value = line.strip().partition(" ")
        options.setdefault(key.lower(), value.strip())
    port = options.get("port", "")
    return (
        Reach(int(port), options.get("hostname", LOOPBACK))
        if port.isdecimal() and 0 < int(port[:6]) < 65536
        else None
    )


def status_of(
    paths: InstancePaths, errors: tuple[str, ...], agent: ProcessLike | None, driver: ProcessLike | None
) -> tuple[Status, tuple[str, ...]]:
    """The status, from the errors of lima.yaml and the running processes; also returns all errors."""
    if driver is not None and agent is None:
        errors = (*errors, f"the machine runs (pid {driver.pid}) without its host agent")
    if errors:
        return Status.BROKEN, errors
    if agent is None:
        return Status.STOPPED, errors
    return Status.PAUSED if driver is not None and path_exists(paths.disk_full) else Status.RUNNING, errors


def paused_message(paths: InstancePaths) -> str:
    """Why a machine is paused, and how it resumes."""
    return (
        f"the machine is paused, since the disk that {paths.disk} is on is full. "
        "Free some space there: it resumes by itself."
    )


def must_not_be_paused(status: Status, paths: InstancePaths) -> None:
    """Check before an operation that needs a reply of the guest.

    :raises InstanceError: when its machine is paused because a disk is full.
    """
    if status is Status.PAUSED:
        raise InstanceError(f"instance {paths.name!r}: {paused_message(paths)}")


def must_be_unprotected(paths: InstancePaths) -> None:
    """:raises InstanceProtected: when it is marked as protected."""
    if path_exists(paths.protected):
        raise InstanceProtected(
            f"instance {paths.name!r} is protected against deletion.",
            hint=f"If you mean it: callao unprotect {paths.name}, or in a task protected: false.",
        )


def _read_runtime(path: Path) -> dict[str, Any]:
    """The content of runtime.json, not validated; empty when it is missing or incomplete."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _process(value: object) -> Process | None:
    if not isinstance(value, dict):
        return None
    pid, started, boot = value.get("pid"), value.get("started"), value.get("boot", "")
    if type(pid) is int and type(started) is int and isinstance(boot, str):
        return Process(pid, started, boot)
    return None
