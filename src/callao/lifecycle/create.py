# SPDX-License-Identifier: GPL-3.0-or-later
"""A new instance: built aside, then renamed into place, so that there is never half a one."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import callao
from callao.access import Access
from callao.config import dump
from callao.drivers import driver_for
from callao.errors import InstanceError
from callao.events import Event, Reporter, Stage, State
from callao.images import Fetched, ensure_image
from callao.instances import Desired, InstancePaths, Record, ssh_alias
from callao.instances.files import write_file, write_json
from callao.ssh import host_key, known_hosts, user_key

LIMA_VERSION = "2.0.0"
"""The Lima whose files and lima.yaml we are compatible with; written for Lima's own tools."""


@dataclass(frozen=True)
class Beginning:
    """How an instance begins that is not made from its image alone.

    ``image`` is another disk to make its own on, ``files`` are copied into its folder; the rest is
    :class:`callao.instances.Record`'s.
    """

    image: Fetched | None = None
    files: tuple[Path, ...] = ()
    mac_address: str = ""
    reclaims: bool = True


_BY_ITS_IMAGE = Beginning()


def create(
    wanted: Desired,
    home: Path,
    report: Reporter,
    access: Access = Access.ONLINE,
    begin: Beginning = _BY_ITS_IMAGE,
) -> None:
    """Make the folder of a new instance, with its disk.

    :raises ImageError: when no image can be had.
    :raises CallaoError: when something cannot be made; nothing is left of it then.
    """
    config = wanted.config
    image = begin.image or ensure_image(
        config.images, config.arch.value, home=home, report=report, access=access
    )
    report(Event(stage=Stage.IMAGE, state=State.DONE))
    aside = building_at(home, wanted.name)
    try:
        aside.mkdir(mode=0o700, parents=True)
        paths = InstancePaths(aside)
        write_file(paths.lima_yaml, dump(wanted.document).encode())
        write_file(paths.lima_version, LIMA_VERSION.encode())
        record = Record(
            template=wanted.template,
            labels=dict(wanted.labels or {}),
            image=image.location,
            image_digest=image.digest,
            engine=callao.__version__,
            mac_address=begin.mac_address,
            reclaims=begin.reclaims,
        )
        write_json(paths.callao_json, record)
        user_key(home)
        alias = ssh_alias(wanted.name)
        key = host_key(paths.host_key, alias)
        write_file(paths.known_hosts, known_hosts(alias, key.public).encode())
        for file in begin.files:
            shutil.copyfile(file, aside / file.name)
        driver_for(config.vm_type).create(paths, config, image)
        aside.rename(home / wanted.name)
    except OSError as error:
        raise InstanceError(f"instance {wanted.name!r} cannot be made in {home}: {error}.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    report(Event(stage=Stage.DISK, state=State.DONE))


def building_at(home: Path, name: str) -> Path:
    """Where an instance is built; a run that was killed leaves this."""
    return home / f".{name}.creating"


def removing_at(home: Path, name: str) -> Path:
    """Where an instance is removed from; a run that was killed leaves this."""
    return home / f".{name}.deleting"


def sweep(home: Path, name: str) -> None:
    """Remove what killed runs have left of this name; the caller holds its lock."""
    for path in (building_at(home, name), removing_at(home, name)):
        shutil.rmtree(path, ignore_errors=True)
