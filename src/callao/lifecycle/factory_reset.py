# SPDX-License-Identifier: GPL-3.0-or-later
"""Replaces the disk of an instance by a new one from its image; lima.yaml stays."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec

from callao.atomic import put_in_place
from callao.drivers import driver_for
from callao.errors import CallaoError, InstanceError, InstanceProtected
from callao.events import Event, EventState, Reporter, Stage
from callao.images import FetchedImage
from callao.instances import Instance, InstancePaths
from callao.instances.broken import require_config
from callao.instances.lock import instance_lock
from callao.instances.records import write_json
from callao.instances.store import read_processes
from callao.lifecycle.backing_files import repair_backing_files
from callao.lifecycle.cleanup import remove_leftovers as sweep_instance
from callao.lifecycle.cleanup import remove_stale_files, reset_dir
from callao.lifecycle.disk import make_disk
from callao.lifecycle.fetch_image import fetch_image
from callao.lifecycle.stop import stop
from callao.offline import NetworkAccess
from callao.snapshots import sweep_layers


def factory_reset(instance: Instance, *, home: Path, access: NetworkAccess, report: Reporter) -> None:
    """Stop the machine without shutting down the guest, and replace its disk; it stays stopped.

    The image is fetched before anything is changed.

    :raises InstanceError: when it is protected or broken, or the disk cannot be made.
    :raises ImageError: when the image is not available.
    """
    config = require_config(instance)
    if instance.protected:
        raise InstanceProtected(
            f"instance {instance.name!r} is protected.", hint=f"callao unprotect {instance.name}"
        )
    if (instance.dir / "diffdisk").exists():
        raise InstanceError(
            f"instance {instance.name!r} was made by Lima, which has another disk layout.",
            hint=f"Reset it with 'limactl factory-reset {instance.name}'.",
        )

    def image() -> FetchedImage:
        return fetch_image(config, home=home, access=access, report=report)

    image()
    driver = driver_for(config.vm_type)
    with instance_lock(instance.name, home):
        agent, machine = read_processes(instance.paths)
        instance = replace(instance, agent=agent, driver=machine)
        if agent or machine:
            stop(instance, force=True, report=report)
        remove_stale_files(instance.paths)
        with contextlib.suppress(
            CallaoError
        ):  # for snapshots of the old disk, while the record names its image
            repair_backing_files(instance.paths, instance.record, driver, home)
        staging = InstancePaths(reset_dir(home, instance.name))
        try:
            sweep_instance(home, instance.name)
            staging.dir.mkdir(mode=0o700)
            made = make_disk(staging, config, driver, image)
            new = driver.state_files(staging)
            for file in new:  # replaces the old one in one step, so that there is always a disk
                put_in_place(file, instance.dir / file.name)
            for old in driver.state_files(instance.paths):
                if old.name not in {file.name for file in new}:
                    old.unlink()
            record = msgspec.structs.replace(
                instance.record, image=made.location, image_digest=made.digest, mac_address="", reclaims=True
            )
            write_json(instance.paths.callao_json, record)
            sweep_layers(instance.paths, driver.layers)
            for path in (instance.paths.runtime, instance.paths.cidata_iso, instance.paths.ssh_config):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise InstanceError(f"instance {instance.name!r} cannot be reset: {error}.") from error
        finally:
            shutil.rmtree(staging.dir, ignore_errors=True)
    report(Event(stage=Stage.DISK, state=EventState.DONE))
