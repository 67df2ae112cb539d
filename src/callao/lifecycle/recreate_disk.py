# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a missing disk: after limactl's factory-reset, or where limactl's older layout is in use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from callao.drivers import Driver
from callao.events import Event, EventState, Reporter, Stage
from callao.images import FetchedImage
from callao.instances import Instance
from callao.instances.broken import require_config
from callao.instances.records import write_json
from callao.lifecycle.disk import make_disk
from callao.lifecycle.fetch_image import fetch_image
from callao.offline import NetworkAccess


def recreate_disk(
    instance: Instance, driver: Driver, *, home: Path, access: NetworkAccess, report: Reporter
) -> Instance:
    """Make the disk of a stopped instance that has none; returns the instance with its new record.

    :raises ImageError: when the image is not available.
    :raises DriverError: when the disk cannot be made.
    """
    paths, config = instance.paths, require_config(instance)
    older = paths.dir / "diffdisk"
    if older.exists():  # limactl links it to its new name, too
        paths.disk.symlink_to(older.name)
        return instance

    def image() -> FetchedImage:
        return fetch_image(config, home=home, access=access, report=report)

    message = f"{instance.name}: no disk, as after limactl factory-reset: it is made from the image."
    report(Event(stage=Stage.DISK, state=EventState.NOTICE, message=message))
    made = make_disk(paths, config, driver, image)
    record = msgspec.structs.replace(
        instance.record, image=made.location, image_digest=made.digest, mac_address="", reclaims=True
    )
    write_json(paths.callao_json, record)
    report(Event(stage=Stage.DISK, state=EventState.DONE))
    return replace(instance, record=record)
