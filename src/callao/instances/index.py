# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of instances: what a list shows and a shell needs, without reading each lima.yaml again.

The index keeps what a lima.yaml resolves to until the file changes. Whether a machine runs is checked each
time. The index is read and written without msgspec, which would take longer to import than the rest.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import callao
from callao import host_basics, system
from callao.atomic import write_volatile
from callao.errors import CallaoError
from callao.instances.paths import InstancePaths
from callao.instances.processes import Process
from callao.instances.status import (
    Status,
    existing_paths,
    instance_names,
    live_processes,
    path_exists,
    status_of,
)

if TYPE_CHECKING:
    from callao.host import Host
    from callao.reach import Reach

_VERSION = 2
"""Version of the index's format: raised when fields are added, so that an older index is not used."""


class IndexedConfig(NamedTuple):
    """What a lima.yaml resolves to on this host; sizes in bytes, empty where it cannot be parsed.

    ``shares`` are the shared directories of the host, each with its mount point in the guest.
    """

    vm_type: str = ""
    arch: str = ""
    cpus: int = 0
    memory: int = 0
    disk: int = 0
    errors: tuple[str, ...] = ()
    shares: tuple[tuple[str, str], ...] = ()


class IndexedInstance(NamedTuple):
    """One instance, its lima.yaml from the index; ``reach`` is None while it is off."""

    paths: InstancePaths
    status: Status
    config: IndexedConfig
    agent: Process | None = None
    driver: Process | None = None
    reach: Reach | None = None
    errors: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.paths.name

    @property
    def dir(self) -> Path:
        return self.paths.dir

    @property
    def protected(self) -> bool:
        return path_exists(self.paths.protected)


class _FileVersion(NamedTuple):
    """Identifies a version of a lima.yaml. Nobody can set the ctime back; a chmod changes it, too."""

    ctime: int
    size: int
    inode: int


_Entries = dict[str, tuple[_FileVersion, IndexedConfig]]


def indexed_instances(home: Path, host: Host | None = None) -> list[IndexedInstance]:
    """All instances under ``home``, sorted by name.

    :param host: this host, where the caller has detected it already.
    """
    index = _Index(home, host)
    instances = []
    for name in instance_names(home):
        with contextlib.suppress(CallaoError):  # deleted meanwhile, or not an instance's folder
            instances.append(index.look_up(existing_paths(name, home)))
    index.save(only=True)
    return instances


def indexed_instance(name: str, home: Path) -> IndexedInstance:
    """One instance.

    :raises ConfigError: when ``name`` cannot be a name.
    :raises InstanceNotFound: when there is no such folder.
    """
    index = _Index(home, None)
    instance = index.look_up(existing_paths(name, home))
    index.save(only=False)
    return instance


def update_index(name: str, home: Path, host: Host) -> None:
    """Write the entry of an instance that this run has changed, for the next command to find it."""
    index = _Index(home, host)
    index.look_up_config(InstancePaths(home / name))
    index.save(only=False)


class _Index:
    """The index file, and the entries that this run has looked up."""

    def __init__(self, home: Path, host: Host | None) -> None:
        self.home = home
        self.host = host
        self.file = home / "_cache" / "instances.json"
        self.key = _key(host)
        self.known = _load(self.file, self.key)
        self.now: _Entries = {}

    def look_up(self, paths: InstancePaths) -> IndexedInstance:
        config = self.look_up_config(paths)
        agent, driver, reach = live_processes(paths)
        status, errors = status_of(paths, config.errors, agent, driver)
        return IndexedInstance(paths, status, config, agent, driver, reach, errors)

    def look_up_config(self, paths: InstancePaths) -> IndexedConfig:
        try:
            file = paths.lima_yaml.stat()
        except OSError:
            return _read_config(paths.name, self.home, self._detected_host())
        stamp = _FileVersion(file.st_ctime_ns, file.st_size, file.st_ino)
        remembered = self.known.get(paths.name)
        if remembered is None or remembered[0] != stamp:
            remembered = stamp, _read_config(paths.name, self.home, self._detected_host())
        self.now[paths.name] = remembered
        return remembered[1]

    def save(self, *, only: bool) -> None:
        """Write the index; with ``only``, entries that were not looked up are dropped."""
        whole = self.now if only else {**self.known, **self.now}
        if whole != self.known and self.home.is_dir():
            _save(self.file, json.dumps([self.key, whole]))

    def _detected_host(self) -> Host:
        if self.host is None:
            from callao.host import Host

            self.host = Host.detect()
        return self.host


def _key(host: Host | None) -> str:
    """What the entries depend on besides the lima.yaml."""
    if host is None:
        user, uid, home, _ = system.account()
        words: tuple[object, ...] = (
            host_basics.native_arch(), system.cpus(), system.memory(), user, uid, home
        )  # fmt: skip
    else:
        words = (host.arch, host.cpus, host.memory, host.user.name, host.user.uid, host.user.home)
    return " ".join(map(str, (callao.__version__, _VERSION, *words)))


def _read_config(name: str, home: Path, host: Host) -> IndexedConfig:
    from callao.instances.store import read_config

    _, config, errors = read_config(InstancePaths(home / name), host)
    if config is None:
        return IndexedConfig(errors=errors)
    return IndexedConfig(
        vm_type=config.vm_type.value,
        arch=config.arch.value,
        cpus=config.cpus,
        memory=config.memory,
        disk=config.disk,
        shares=tuple((each.location, each.mount_point) for each in config.mounts),
    )


def _load(file: Path, key: str) -> _Entries:
    """The entries of the file; none where it is damaged, of another version, or of another host."""
    try:
        content = json.loads(file.read_bytes())
        if content[0] != key:
            return {}
        return {
            name: (_FileVersion(*stamp), _config_from_json(*config))
            for name, (stamp, config) in content[1].items()
        }
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return {}


def _config_from_json(
    vm_type: str, arch: str, cpus: int, memory: int, disk: int, errors: list[str], shares: list[list[Any]]
) -> IndexedConfig:
    return IndexedConfig(vm_type, arch, cpus, memory, disk, tuple(errors), tuple((a, b) for a, b in shares))


def _save(file: Path, text: str) -> None:
    """Replace the file as a whole. Errors are ignored: a list must work where nothing can be written."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_volatile(file, text.encode())
