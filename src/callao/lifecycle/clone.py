# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates an instance as a copy of a stopped one: the same disk content, an identity of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from callao.config import Config, check_hostname, check_name, check_socket_path, effective
from callao.drivers import StateCopier, driver_for
from callao.errors import ImmutableField, InstanceError
from callao.events import Event, EventState, Reporter, Stage
from callao.host import Host
from callao.instances import Instance
from callao.instances.broken import require_config
from callao.instances.lock import instance_lock
from callao.lifecycle.cleanup import remove_leftovers
from callao.lifecycle.preconditions import must_be_stopped, must_not_exist
from callao.lifecycle.staging import staged_instance
from callao.reflink import copy_reflink


def clone(
    source: Instance, name: str, document: Mapping[str, object], *, home: Path, host: Host, report: Reporter
) -> None:
    """Make ``name`` from ``source``, with ``document`` as its lima.yaml.

    The copy shares blocks with the original where the file system can (reflinks). Its ssh host key is
    new, and cloud-init runs as on a new machine, which sets the hostname.

    :raises InstanceError: when the source runs, the name is taken, or there is no room.
    :raises ConfigError: for an invalid name or document.
    """
    check_name(name)
    check_hostname(name)
    check_socket_path(home / name)
    must_not_exist(name, home)  # before the locks, because two locks of one name would wait for each other
    before = require_config(source)
    config = effective(document, host, name=name, instance_dir=home / name)
    refuse_incompatible_copy(config, before, source.name)
    with instance_lock(source.name, home), instance_lock(name, home):
        copy_instance(source, name, document, home=home, report=report)


def copy_instance(
    source: Instance, name: str, document: Mapping[str, object], *, home: Path, report: Reporter
) -> None:
    """Do the same for a caller that holds both locks and has checked ``document``.

    :raises InstanceError: when the source runs, the name is taken, or there is no room.
    """
    must_be_stopped(source, "copied")
    must_not_exist(name, home)
    driver = driver_for(require_config(source).vm_type)
    files = driver.state_files(source.paths)
    if not files:
        raise InstanceError(
            f"instance {source.name!r} has no disk that could be copied.",
            hint="Lima has another disk layout: copy it with 'limactl clone'.",
        )
    remove_leftovers(home, name)
    record = msgspec.structs.replace(source.record, created=time.time(), mac_address="", reclaims=True)
    text = source.paths.lima_yaml.read_text(encoding="utf-8")
    with staged_instance(name, document, record, home, text) as paths:
        report(Event(stage=Stage.DISK, state=EventState.PROGRESS, message=f"copying {source.name}'s disk"))
        if source.paths.persisted.exists():
            copy_file(source.paths.persisted, paths.persisted)
        if isinstance(driver, StateCopier):
            driver.copy_state(source.paths, paths)
        else:
            for file in files:
                copy_file(file, paths.dir / file.name)
    report(Event(stage=Stage.DISK, state=EventState.DONE))


def refuse_incompatible_copy(config: Config, before: Config, name: str) -> None:
    """Refuse a configuration that an existing disk cannot have.

    :raises InstanceError: naming the field.
    """
    for key, was, now in (
        ("vmType", before.vm_type.value, config.vm_type.value),
        ("arch", before.arch.value, config.arch.value),
    ):
        if was != now:
            raise ImmutableField(f"{key}: {now!r}: a copy of {name!r} keeps its {was!r}.")
    if config.disk < before.disk:
        raise ImmutableField(
            f"disk: {config.disk!r}: {name!r} has {before.disk!r} bytes, and a disk cannot shrink.",
            hint="Ask for at least what it has.",
        )


def copy_file(source: Path, target: Path) -> None:
    """:raises InstanceError: when the file cannot be copied."""
    try:
        copy_reflink(source, target)
    except OSError as error:
        raise InstanceError(f"{source} cannot be copied: {error.strerror}") from error
