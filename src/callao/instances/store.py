# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads instances from disk, with their configuration, records and processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from callao.autostart import is_enabled
from callao.config import Config, effective, load
from callao.errors import CallaoError, ConfigError, InstanceNotFound
from callao.host import Host
from callao.instances.paths import InstancePaths
from callao.instances.process_identity import ProcessIdentity
from callao.instances.processes import ProcessLike
from callao.instances.records import Failure, Record, Runtime, read_json, read_record
from callao.instances.status import (
    Status,
    existing_paths,
    instance_names,
    limactl_reach,
    path_exists,
    recorded_or_from_pid_file,
    status_of,
)
from callao.reach import Reach


@dataclass(frozen=True)
class Instance:
    """One instance as it is now.

    ``ready`` and ``failure`` are the result of the last start; for one that limactl started, ``failure`` is
    None.
    """

    name: str
    paths: InstancePaths
    status: Status
    errors: tuple[str, ...] = ()
    document: dict[str, object] = field(default_factory=dict)
    config: Config | None = None
    record: Record = field(default_factory=Record)
    record_unreadable: str = ""
    """Why callao.json cannot be read; nothing may overwrite it then."""
    agent: ProcessIdentity | None = None
    driver: ProcessIdentity | None = None
    reach: Reach | None = None
    booted: str = ""
    ready: bool = False
    failure: Failure | None = None
    timings: dict[str, float] = field(default_factory=dict)
    forwards: tuple[tuple[str, str, int, int], ...] = ()

    @property
    def dir(self) -> Path:
        return self.paths.dir

    @property
    def template(self) -> str:
        return self.record.template

    @property
    def labels(self) -> dict[str, str]:
        return self.record.labels

    @property
    def protected(self) -> bool:
        return path_exists(self.paths.protected)

    @property
    def autostart(self) -> bool:
        """Whether it is started when its user logs in."""
        return is_enabled(self.paths.name, self.dir.parent)


def inspect(name: str, home: Path, host: Host) -> Instance:
    """Read one instance; it is BROKEN where its lima.yaml cannot be read, with the reason in ``errors``.

    :raises ConfigError: when ``name`` is no valid name.
    :raises InstanceNotFound: when there is no such folder.
    """
    paths = existing_paths(name, home)
    record, unreadable = read_record(paths.callao_json)
    runtime = read_json(paths.runtime, Runtime)
    agent, driver = processes(paths, runtime)
    live = runtime if runtime is not None and agent == runtime.agent else None
    document, config, errors = read_config(paths, host)
    status, errors = status_of(paths, errors, agent, driver)
    if status is Status.BROKEN:
        existing_paths(name, home)  # raises where the folder was deleted meanwhile
    return Instance(
        name=name,
        paths=paths,
        status=status,
        errors=errors,
        document=document,
        config=config,
        record=record,
        record_unreadable=unreadable,
        agent=agent,
        driver=driver,
        reach=live.reach if live else limactl_reach(paths) if agent else None,
        booted=live.booted if live else "",
        ready=live.ready if live else agent is not None,
        failure=live.failure if live else None,
        timings=live.timings if live else {},
        forwards=live.forwards if live else (),
    )


def all_instances(home: Path, host: Host) -> Iterator[Instance]:
    """Yield the instances under ``home``, sorted by name; one that is deleted meanwhile is left out."""
    for name in instance_names(home):
        with contextlib.suppress(InstanceNotFound):
            yield inspect(name, home, host)


def processes(
    paths: InstancePaths, runtime: Runtime | None
) -> tuple[ProcessIdentity | None, ProcessIdentity | None]:
    """The running host agent and hypervisor."""
    written = (runtime.agent, runtime.driver) if runtime is not None else (None, None)
    agent, driver = recorded_or_from_pid_file(paths, *written)
    return _identity(agent), _identity(driver)


def read_processes(paths: InstancePaths) -> tuple[ProcessIdentity | None, ProcessIdentity | None]:
    """Do the same with the present runtime.json."""
    return processes(paths, read_json(paths.runtime, Runtime))


def _identity(process: ProcessLike | None) -> ProcessIdentity | None:
    if process is None or isinstance(process, ProcessIdentity):
        return process
    return ProcessIdentity(process.pid, process.started, process.boot)


def read_config(
    paths: InstancePaths, host: Host
) -> tuple[dict[str, object], Config | None, tuple[str, ...]]:
    """Read lima.yaml: the document, its effective configuration on this host, and all errors."""
    document: dict[str, object] = {}
    try:
        text = paths.lima_yaml.read_text(encoding="utf-8")
        document = load(text, str(paths.lima_yaml))
        config = effective(document, host, name=paths.name, instance_dir=paths.dir, text=text)
    except ConfigError as error:
        return document, None, tuple(f"lima.yaml: {problem}" for problem in error.problems)
    except CallaoError as error:
        return document, None, (str(error),)
    except OSError as error:
        return document, None, (f"lima.yaml cannot be read: {error.strerror or error}",)
    except UnicodeDecodeError as error:
        return document, None, (f"lima.yaml cannot be read: {error}",)
    return document, config, ()
