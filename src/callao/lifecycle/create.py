# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates an instance from an image."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import callao
from callao.drivers import driver_for
from callao.events import Event, EventState, Reporter, Stage
from callao.images import FetchedImage
from callao.instances import Desired, Record
from callao.lifecycle.disk import make_disk
from callao.lifecycle.fetch_image import DEFAULT_TIMEOUT, fetch_image
from callao.lifecycle.staging import staged_instance
from callao.offline import NetworkAccess
from callao.ssh import user_key


@dataclass(frozen=True)
class DiskSource:
    """What an instance is made from, where that is not its image alone.

    ``image`` backs its disk in place of the image, ``files`` are copied into its folder; the rest is
    :class:`callao.instances.Record`'s.
    """

    image: FetchedImage | None = None
    files: tuple[Path, ...] = ()
    mac_address: str = ""
    reclaims: bool = True


_FROM_IMAGE = DiskSource()


def create(
    wanted: Desired,
    home: Path,
    report: Reporter,
    access: NetworkAccess = NetworkAccess.ONLINE,
    source: DiskSource = _FROM_IMAGE,
    timeout: float = DEFAULT_TIMEOUT,
) -> None:
    """Create the folder of a new instance, with its disk.

    :param timeout: seconds to wait for another run that fetches or converts the image.
    :raises ImageError: when no image is available.
    :raises CallaoError: when something cannot be created; nothing of the instance is left then.
    """
    config = wanted.config

    def get_image() -> FetchedImage:
        return source.image or fetch_image(config, home=home, access=access, report=report, timeout=timeout)

    image = get_image()
    report(Event(stage=Stage.IMAGE, state=EventState.DONE))
    record = Record(
        template=wanted.template,
        labels=dict(wanted.labels or {}),
        image=image.location,
        image_digest=image.digest,
        engine=callao.__version__,
        mac_address=source.mac_address,
        reclaims=source.reclaims,
    )
    with staged_instance(wanted.name, wanted.document, record, home, wanted.text) as paths:
        user_key(home)
        for file in source.files:
            shutil.copyfile(file, paths.dir / file.name)
        make_disk(paths, config, driver_for(config.vm_type), get_image)
    report(Event(stage=Stage.DISK, state=EventState.DONE))
