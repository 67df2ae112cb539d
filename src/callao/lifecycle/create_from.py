# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates an instance from another one, or from its snapshot: ``from: NAME[@SNAPSHOT]``."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from callao.config import check_name, mac_address
from callao.drivers import Driver, driver_for
from callao.errors import ConfigError, Problem, SnapshotError
from callao.events import Event, EventState, Reporter, Stage
from callao.host import Host
from callao.instances import Desired, Instance, InstancePaths, Record, ResumeState, inspect
from callao.instances.broken import require_config
from callao.instances.lock import instance_lock
from callao.instances.records import read_json, write_json
from callao.lifecycle.clone import copy_instance, refuse_incompatible_copy
from callao.lifecycle.snapshots.save import machine_differences, too_few_slots
from callao.lifecycle.staging import staged_instance
from callao.snapshots import RequiredMachine, Snapshot, find

_ALLOWED = "an instance's name, or NAME@SNAPSHOT"


@dataclass(frozen=True)
class Source:
    """The instance that a new one is created from; its present disk, or one of its snapshots."""

    instance: Instance
    snapshot: Snapshot | None

    @classmethod
    def of(cls, text: str, home: Path, host: Host) -> Source:
        """Parse what a user wrote.

        :raises ConfigError: when it is no valid name.
        :raises InstanceNotFound: when no instance has that name.
        :raises SnapshotError: when the instance has no such snapshot.
        """
        name, at, snapshot = text.partition("@")
        if at and not snapshot:
            raise ConfigError([Problem("from", text, "names no snapshot", _ALLOWED)])
        check_name(name)
        instance = inspect(name, home, host)
        return cls(instance, find(instance.paths, snapshot) if at else None)


def create_from(
    text: str, wanted: Desired, *, home: Path, host: Host, report: Reporter
) -> ResumeState | None:
    """Create the instance; its disk is a copy of a stopped one's, or is backed by a snapshot's layers.

    :param text: the source, as the user wrote it.
    :returns: the saved state that its start resumes from; None where it boots.
    :raises SnapshotError: when the snapshot has additional disks.
    :raises InstanceError: when the source runs and no snapshot of it was named, or cannot be copied.
    """
    source = Source.of(text, home, host)
    config, before = wanted.config, require_config(source.instance)
    refuse_incompatible_copy(config, before, source.instance.name)
    if source.snapshot is None:
        with instance_lock(source.instance.name, home):
            copy_instance(source.instance, wanted.name, wanted.document, home=home, report=report)
        path = InstancePaths(home / wanted.name).callao_json
        record = read_json(path, Record) or Record()
        write_json(path, msgspec.structs.replace(record, labels=dict(wanted.labels or {})))
        return None
    if source.snapshot.disks:
        raise SnapshotError(
            f"from: snapshot {source.snapshot.name!r} of {source.instance.name!r} has additional disks "
            f"({', '.join(source.snapshot.disks)}), which belong to that instance alone.",
            hint="Take a snapshot without them, or copy the stopped instance.",
        )
    driver = driver_for(config.vm_type)
    bound = source.snapshot.machine
    reason = "" if bound is None else _why_not_resumable(wanted, bound, driver, source.instance)
    if reason:
        report(Event(stage=Stage.DISK, state=EventState.NOTICE, message=f"from: booting instead: {reason}"))
    memory = bound if bound is not None and not reason else None
    with instance_lock(source.instance.name, home):
        _create_on_layers(source, source.snapshot, wanted, home, driver, resumes=memory is not None)
    report(Event(stage=Stage.DISK, state=EventState.DONE))
    if memory is None:
        return None
    folder = source.instance.paths.snapshots / source.snapshot.name
    return ResumeState(folder=str(folder), layout=memory.layout, shared_memory=True)


def _why_not_resumable(wanted: Desired, bound: RequiredMachine, driver: Driver, source: Instance) -> str:
    """Why the snapshot's memory cannot be resumed; empty when it can."""
    config = wanted.config
    if reason := too_few_slots(config, bound.layout.slots):
        return reason
    difference = machine_differences(bound, source.paths, config, driver)
    return f"the machine is another: {difference}." if difference else ""


def _create_on_layers(
    source: Source, snapshot: Snapshot, wanted: Desired, home: Path, driver: Driver, *, resumes: bool
) -> None:
    """Layers never change, so both instances use the same files, under the same names."""
    old = source.instance.paths
    record = msgspec.structs.replace(
        source.instance.record,
        created=time.time(),
        labels=dict(wanted.labels or {}),
        mac_address=(source.instance.record.mac_address or mac_address(old.dir, 0)) if resumes else "",
        reclaims=True,
    )
    with staged_instance(wanted.name, wanted.document, record, home, wanted.text) as paths:
        driver.layers.share(old.disk, snapshot.layer, paths.disk)
        for file in (old.kernel, old.kernel_cmdline, old.initrd):
            if file.exists():
                shutil.copyfile(file, paths.dir / file.name)
        variables = old.snapshots / snapshot.name / old.qemu_efi_vars.name
        if variables.exists():
            shutil.copyfile(variables, paths.qemu_efi_vars)
