# SPDX-License-Identifier: GPL-3.0-or-later
"""Prunes the cache, except for the files that instances need."""

from __future__ import annotations

import os
from pathlib import Path

from callao.config import Config
from callao.config.containerd import archives, wants_containerd
from callao.drivers import all_drivers
from callao.errors import DriverError
from callao.events import Event, EventState, Reporter, Stage, silent
from callao.host import Host
from callao.images import base_at
from callao.images.prune import Pruned, prune
from callao.instances import InstancePaths, Record, all_instances, instance_names
from callao.instances.records import read_json
from callao.lifecycle.cleanup import reset_dir, staging_dir
from callao.lifecycle.warm.staging import remove_abandoned
from callao.snapshots.warm_cache import trim, warm_entries


def prune_cache(
    home: Path, host: Host, *, keep_referenced: bool, report: Reporter = silent, check: bool = False
) -> Pruned:
    """Remove warm machines and images that back no instance's disk, and what killed runs have left.

    Where an instance cannot be read, such as one of another user, its backing files are unknown. Then only
    the leftovers of killed runs are removed, with a notice. An image that backs a remaining warm machine
    stays.

    :param keep_referenced: also keep the images and archives that an instance's lima.yaml names.
    :param check: remove nothing, and return what would be removed.
    """
    abandoned = remove_abandoned(home, host, check=check)
    unreadable = [name for name in instance_names(home) if not _is_readable(home / name)]
    if unreadable:
        message = (
            f"prune: {', '.join(unreadable)}: cannot be read: images stay, for they may be needed there."
        )
        report(Event(stage=Stage.IMAGE, state=EventState.NOTICE, message=message))
        return abandoned
    warm = trim(home, 0, lambda: files_in_use(home), check=check)

    removed = {*abandoned.paths, *warm.paths}  # in check mode they still exist

    def used() -> list[Path]:
        found = files_in_use(home)
        for entry in warm_entries(home):
            for folder in (entry.folder, entry.staging):
                if folder not in removed:
                    found += _bases(InstancePaths(folder))
        return found

    referenced: list[str] = []
    if keep_referenced:
        for instance in all_instances(home, host):
            referenced += _locations(instance.config) if instance.config is not None else []
    images = prune(home, used=used, referenced=referenced, check=check)
    parts = (abandoned, warm, images)
    return Pruned(tuple(path for part in parts for path in part.paths), sum(part.size for part in parts))


def files_in_use(home: Path) -> list[Path]:
    """Files that back the disks of instances, those included that another run is creating.

    :raises DriverError: when a disk cannot be read, so that its backing files are unknown.
    """
    used: list[Path] = []
    for root in (home, *(home / "_warm").glob("*")):
        beside = [each for at in (staging_dir, reset_dir) for each in root.glob(at(root, "*").name)]
        for folder in (*(root / name for name in instance_names(root)), *beside):
            try:
                used += _bases(InstancePaths(folder))
            except DriverError as error:
                message = f"instance {folder.name!r}: {error.message}"
                hint = (
                    error.hint
                    or f"Bring the file back, or delete that instance: callao delete {folder.name}"
                )
                raise DriverError(message, hint=hint) from error
            record = read_json(folder / "callao.json", Record)
            if record is not None and record.image_digest:
                used.append(
                    base_at(home, record.image_digest)
                )  # its next start may make this the backing file
    return used


def _bases(paths: InstancePaths) -> tuple[Path, ...]:
    """The backing files of a disk and of its snapshots, read from the disk: lima.yaml may be unreadable.

    After a factory reset, snapshots have another backing file than the disk.

    :raises DriverError: when a disk cannot be read, so that its backing files are unknown.
    """
    found: list[Path] = []
    for driver in all_drivers():  # only lima.yaml says which driver made the disk
        found += driver.layers.bases(paths.disk)
    return tuple(found)


def _is_readable(folder: Path) -> bool:
    try:
        with os.scandir(folder):
            return True
    except FileNotFoundError:  # deleted meanwhile
        return True
    except OSError:
        return False


def _locations(config: Config) -> list[str]:
    found: list[str] = []
    for image in config.images:
        found += [each.location for each in (image, image.kernel, image.initrd) if each is not None]
    if wants_containerd(config):
        found += [each.location for each in archives(config)]
    return found
