# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes, restores and deletes snapshots of an instance."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection
from functools import partial
from pathlib import Path

from callao.atomic import make_file, put_folder_in_place
from callao.drivers import Driver, driver_for
from callao.errors import AgentError, InstanceError, SnapshotError
from callao.events import Event, EventState, Reporter, Stage
from callao.host import Host
from callao.instances import Instance, ResumeState, inspect
from callao.instances.broken import require_config
from callao.instances.lock import instance_lock
from callao.instances.records import write_json
from callao.instances.status import must_not_be_paused
from callao.instances.store import read_processes
from callao.lifecycle.cleanup import remove_stale_files
from callao.lifecycle.halt import kill
from callao.lifecycle.snapshots.disks import (
    freeze_disks,
    refuse_restore,
    remove_unused_layers,
    restore_disks,
)
from callao.lifecycle.snapshots.save import machine_differences, save
from callao.lifecycle.start import resume
from callao.snapshots import Snapshot, check_snapshot_name, find, unreadable_snapshots
from callao.snapshots.store import RECORD


def take(name: str, snapshot: str, *, home: Path, host: Host, timeout: float, report: Reporter) -> Snapshot:
    """Take a snapshot of an instance: disks and memory of a running one, the disks of a stopped one.

    :raises SnapshotError: when the name is taken, or the machine cannot be saved.
    """
    check_snapshot_name(snapshot)
    with instance_lock(name, home, timeout):
        instance = inspect(name, home, host)
        config = require_config(instance)
        paths = instance.paths
        if (paths.snapshots / snapshot).exists():
            raise SnapshotError(
                f"instance {name!r} has a snapshot {snapshot!r} already.",
                hint="Choose another name, or delete that one first.",
            )
        must_not_be_paused(instance.status, paths)
        driver = driver_for(config.vm_type)
        if instance.agent and not instance.ready:
            raise SnapshotError(f"instance {name!r} is not ready yet.", hint="Wait until it is.")
        if instance.agent and not driver.features.saved_states:
            raise SnapshotError(
                f"instance {name!r}: a running {config.vm_type} machine cannot be saved on this host.",
                hint="Stop it first: then its disk can be.",
            )
        if not instance.agent:
            remove_stale_files(paths)
        staging = paths.snapshots / f".{snapshot}.new"
        report(Event(stage=Stage.SNAPSHOT, state=EventState.BEGUN))
        try:
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(parents=True, mode=0o700)
            if instance.agent:
                saved = save(paths, staging, keep_running=True)
                made = Snapshot(name=snapshot, layer=saved.layer, disks=saved.disks, machine=saved.machine)
            else:
                left = freeze_disks(paths, config, driver)
                made = Snapshot(name=snapshot, layer=left.layer, disks=dict(left.disks))
                _copy(paths.qemu_efi_vars, staging)
            _copy(paths.cidata_iso, staging)
            write_json(staging / RECORD, made)
            put_folder_in_place(staging, paths.snapshots / snapshot)
        except OSError as error:
            raise SnapshotError(f"instance {name!r} cannot be saved: {error}.") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        report(Event(stage=Stage.SNAPSHOT, state=EventState.DONE))
        return made


def apply(name: str, snapshot: str, *, home: Path, host: Host, timeout: float, report: Reporter) -> None:
    """Restore a snapshot. The machine runs afterwards if the snapshot has its memory.

    All changes since the snapshot are lost.

    :raises SnapshotError: when there is no such snapshot, or the machine differs from the saved one.
    :raises StageFailed: when the machine does not become ready; it is stopped then, with the disk restored.
    """
    with instance_lock(name, home, timeout):
        instance = inspect(name, home, host)
        config = require_config(instance)
        paths = instance.paths
        driver = driver_for(config.vm_type)
        found = find(paths, snapshot)
        refuse_restore(paths, config, found)
        resume_state = _resume_state(instance, driver, found) if found.machine is not None else None
        if resume_state is None and instance.agent:
            raise SnapshotError(
                f"snapshot {snapshot!r} of {name!r} contains its disk only, and the instance is running.",
                hint="Stop it first.",
            )
        report(Event(stage=Stage.SNAPSHOT, state=EventState.BEGUN))
        if instance.agent or instance.driver:
            kill(instance)
        folder = paths.snapshots / found.name
        try:
            restore_disks(paths, found, driver)
            for file in (paths.qemu_efi_vars, paths.cidata_iso):
                if (folder / file.name).exists():
                    # Replaced as a whole, because no machine starts with a partial file.
                    make_file(file, partial(shutil.copyfile, folder / file.name))
        except OSError as error:
            raise SnapshotError(f"instance {name!r} cannot be restored: {error}.") from error
        remove_unused_layers(paths, found.disks, driver)
        report(Event(stage=Stage.SNAPSHOT, state=EventState.DONE))
        if resume_state is not None:
            resume(paths, resume_state, home, timeout, report)


def delete(name: str, snapshot: str, *, home: Path, host: Host, timeout: float) -> None:
    """Delete a snapshot. Layers of the disk that back later ones stay.

    :raises SnapshotError: when there is no such snapshot.
    """
    check_snapshot_name(snapshot)
    with instance_lock(name, home, timeout):
        instance = inspect(name, home, host)
        disks = (
            []
            if snapshot in unreadable_snapshots(instance.paths)
            else list(find(instance.paths, snapshot).disks)
        )
        folder = instance.paths.snapshots / snapshot
        removed_folder = folder.with_name(f".{snapshot}.deleting")
        try:
            shutil.rmtree(removed_folder, ignore_errors=True)
            folder.rename(removed_folder)
            shutil.rmtree(removed_folder)
        except OSError as error:
            raise InstanceError(f"snapshot {snapshot!r} of {name!r} cannot be removed: {error}.") from error
        _free_layers(instance, disks, driver_for(require_config(instance).vm_type))


def _resume_state(instance: Instance, driver: Driver, snapshot: Snapshot) -> ResumeState:
    """:raises SnapshotError: when the machine differs from the saved one."""
    assert instance.config is not None
    assert snapshot.machine is not None
    bound = snapshot.machine
    difference = machine_differences(bound, instance.paths, instance.config, driver)
    if difference:
        raise SnapshotError(
            f"instance {instance.name!r} cannot return to {snapshot.name!r}: "
            f"the machine has changed since: {difference}.",
            hint="Make it what it was then, or delete the snapshot.",
        )
    folder = instance.paths.snapshots / snapshot.name
    return ResumeState(folder=str(folder), layout=bound.layout, shared_memory=True, disks=bound.disks)


def _copy(file: Path, folder: Path) -> None:
    if file.exists():
        shutil.copyfile(file, folder / file.name)


def _free_layers(instance: Instance, disks: Collection[str], driver: Driver) -> None:
    """Remove unused layers of its disks; they stay where the host agent cannot be asked."""
    if not any(read_processes(instance.paths)):
        remove_unused_layers(instance.paths, disks, driver)
        return
    from callao.hostagent.api import routes
    from callao.hostagent.api.client import call

    with contextlib.suppress(AgentError):
        call(instance.paths.ha_sock, *routes.SWEEP_LAYERS)
