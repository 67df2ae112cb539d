# SPDX-License-Identifier: GPL-3.0-or-later
"""Every instance in a line: what a list shows, without reading each lima.yaml anew.

What a lima.yaml comes to is remembered until the file changes; whether a machine runs is looked at
each time.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

import callao
from callao.errors import CallaoError
from callao.host import Host
from callao.instances.files import Runtime, read_json, write_volatile
from callao.instances.paths import InstancePaths
from callao.instances.process import Identity
from callao.instances.store import Status, inspect, names, processes, standing


class Facts(msgspec.Struct, frozen=True, array_like=True):
    """What a lima.yaml comes to on this host; sizes in bytes, empty where it cannot be understood."""

    vm_type: str = ""
    arch: str = ""
    cpus: int = 0
    memory: int = 0
    disk: int = 0
    errors: tuple[str, ...] = ()


class _Remembered(msgspec.Struct, array_like=True):
    """The cache file: facts by name, with the (ctime in ns, size, inode) of the lima.yaml they are of."""

    key: str = ""
    known: dict[str, tuple[tuple[int, int, int], Facts]] = {}


class Brief(msgspec.Struct, frozen=True):
    """One line; ``ssh_port`` is 0 while it is off."""

    name: str
    status: Status
    dir: str
    facts: Facts
    ssh_port: int = 0
    protected: bool = False
    errors: tuple[str, ...] = ()


def briefs(home: Path, host: Host) -> list[Brief]:
    """All instances under ``home``, sorted by name."""
    place = home / "_cache" / "instances.json"
    key = f"{callao.__version__} {host.arch} {host.cpus} {host.memory} {host.user.name}"
    before = _recall(place)
    known = before.known if before.key == key else {}
    now: dict[str, tuple[tuple[int, int, int], Facts]] = {}
    found = []
    for name in names(home):
        with contextlib.suppress(CallaoError):  # deleted meanwhile, or a folder that is no instance's
            found.append(_brief(InstancePaths(home / name), host, known, now))
    if now != known and home.is_dir():
        _remember(place, _Remembered(key, now))
    return found


def _brief(
    paths: InstancePaths,
    host: Host,
    known: dict[str, tuple[tuple[int, int, int], Facts]],
    now: dict[str, tuple[tuple[int, int, int], Facts]],
) -> Brief:
    name = paths.name
    try:
        file = paths.lima_yaml.stat()
        # The ctime, which nobody can set back, and which a change of permissions moves, too.
        stamp = (file.st_ctime_ns, file.st_size, file.st_ino)
    except OSError:
        stamp = (0, 0, 0)
    remembered = known.get(name)
    fresh = remembered is None or remembered[0] != stamp or stamp == (0, 0, 0)
    facts = _facts(name, paths.dir.parent, host) if fresh or remembered is None else remembered[1]
    if stamp != (0, 0, 0):
        now[name] = (stamp, facts)
    runtime = read_json(paths.runtime, Runtime)
    agent, driver = processes(paths, runtime)
    status, errors = standing(facts.errors, agent, driver)
    return Brief(
        name=name,
        status=status,
        dir=str(paths.dir),
        facts=facts,
        ssh_port=_port(name, paths, host, runtime, agent) if agent else 0,
        protected=paths.protected.exists(),
        errors=errors,
    )


def _facts(name: str, home: Path, host: Host) -> Facts:
    instance = inspect(name, home, host)
    config = instance.config
    if config is None:
        return Facts(errors=instance.errors)
    return Facts(config.vm_type.value, config.arch.value, config.cpus, config.memory, config.disk)


def _port(name: str, paths: InstancePaths, host: Host, runtime: Runtime | None, agent: Identity) -> int:
    if runtime is not None and runtime.agent == agent:
        return runtime.ssh_port
    return inspect(name, paths.dir.parent, host).ssh_port or 0


def _recall(place: Path) -> _Remembered:
    try:
        return msgspec.json.decode(place.read_bytes(), type=_Remembered)
    except (OSError, msgspec.MsgspecError):
        return _Remembered()


def _remember(place: Path, remembered: _Remembered) -> None:
    with contextlib.suppress(OSError):  # a list must work where nothing can be written
        place.parent.mkdir(parents=True, exist_ok=True)
        write_volatile(place, msgspec.json.encode(remembered))
