# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk brought to the state that somebody wants: planned first, then done."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callao.config.sizes import format_size
from callao.disks import change
from callao.disks.ownership import must_be_free
from callao.disks.paths import check_disk_name
from callao.disks.store import Disk, inspect, mount_point, names
from callao.errors import DiskError, DiskNotFound
from callao.images.formats import ImageFormat

Entry = dict[str, Any]


class DiskState(enum.StrEnum):
    """The module's ``state``."""

    PRESENT = "present"
    ABSENT = "absent"
    UNLOCKED = "unlocked"


@dataclass(frozen=True, kw_only=True)
class DiskRequest:
    """One disk as somebody wants it.

    :param size: at least so large; with its unit, or in bytes. None leaves one that exists as it is.
    :param format: of a new disk; None for qcow2, or for what ``source`` has.
    :param source: the image whose content a new disk begins with.
    :param force: delete it although an instance has or lists it.
    """

    name: str
    size: str | int | None = None
    format: str | None = None
    source: Path | None = None
    state: str = DiskState.PRESENT
    force: bool = False


@dataclass(frozen=True)
class DiskOutcome:
    """What changed (or would, in check mode), by :meth:`callao.disks.Disk.summary`; None for no disk."""

    changed: bool
    before: Entry | None = None
    after: Entry | None = None


def ensure_disk(request: DiskRequest, *, home: Path, check: bool) -> DiskOutcome:
    """Bring the disk to the requested state; with ``check``, only tell what would be done.

    :raises DiskError: naming what keeps it from that.
    """
    check_disk_name(request.name)
    try:
        state = DiskState(request.state)
    except ValueError:
        allowed = ", ".join(DiskState)
        raise DiskError(f"state: {request.state!r} is not known (allowed: {allowed}).") from None
    try:
        there = inspect(request.name, home)
    except DiskNotFound:
        there = None
    match state:
        case DiskState.PRESENT if there is None:
            return _new(request, home, check)
        case DiskState.PRESENT:
            return _grown(request, there, home, check)
        case DiskState.ABSENT:
            return _absent(request, there, home, check)
        case DiskState.UNLOCKED:
            return _unlocked(request, there, home, check)


def disks_of(home: Path, wanted: str | None = None) -> tuple[list[Entry], list[str]]:
    """Every disk, or the one of that name; and what is wrong with those that cannot be read."""
    if wanted is not None:
        check_disk_name(wanted)
    found: list[Entry] = []
    wrong: list[str] = []
    for name in names(home):
        if wanted in (None, name):
            try:
                found.append(inspect(name, home).summary())
            except DiskNotFound:  # deleted meanwhile
                continue
            except DiskError as error:
                wrong.append(str(error))
    return found, wrong


def _new(request: DiskRequest, home: Path, check: bool) -> DiskOutcome:
    form = None if request.format is None else change.form_named(request.format, "format")
    size = None if request.size is None else change.size_of(request.size, "size")
    if request.source is None and size is None:
        raise DiskError(
            f"size: disk {request.name!r} does not exist, and a new one needs a size (such as 10GiB)."
        )
    if check:
        if request.source is not None and not request.source.is_file():
            raise DiskError(f"source: {request.source} is not a file of this host.")
        planned: Entry = {"name": request.name, "mountPoint": mount_point(request.name)}
        if size is not None:
            planned |= {"size": size}
        if form is not None or request.source is None:
            planned |= {"format": (form or ImageFormat.QCOW2).value}
        return DiskOutcome(True, None, planned)
    if request.source is None:
        assert size is not None
        made = change.create(request.name, home, size=size, form=form or ImageFormat.QCOW2)
    else:
        made = change.import_file(request.name, home, request.source, form=form)
        if size is not None and size > made.size:
            made = change.resize(request.name, home, size=size)
    return DiskOutcome(True, None, made.summary())


def _grown(request: DiskRequest, there: Disk | None, home: Path, check: bool) -> DiskOutcome:
    assert there is not None
    before = there.summary()
    if request.format is not None and change.form_named(request.format, "format") is not there.format:
        raise DiskError(
            f"format: {request.format!r}: disk {there.name!r} is {there.format}, and this never changes.",
            hint="Keep that format, or import the disk's image under another name.",
        )
    size = there.size if request.size is None else change.size_of(request.size, "size")
    if size < there.size:
        raise DiskError(
            f"size: {request.size!r}: disk {there.name!r} has {format_size(there.size)}, and a disk cannot "
            "shrink.",
            hint="Ask for at least what it has.",
        )
    if size == there.size:
        return DiskOutcome(False, before, before)
    if check:
        must_be_free(there.paths, None, "resized")
        return DiskOutcome(True, before, {**before, "size": size})
    return DiskOutcome(True, before, change.resize(there.name, home, size=size).summary())


def _absent(request: DiskRequest, there: Disk | None, home: Path, check: bool) -> DiskOutcome:
    if there is None:
        return DiskOutcome(False)
    if check:
        if not request.force:
            change.must_be_unused(there.paths, home)
    else:
        change.delete(there.name, home, force=request.force)
    return DiskOutcome(True, there.summary())


def _unlocked(request: DiskRequest, there: Disk | None, home: Path, check: bool) -> DiskOutcome:
    if there is None or there.owner is None:
        same = None if there is None else there.summary()
        return DiskOutcome(False, same, same)
    if check:
        must_be_free(there.paths, None, "unlocked")
    else:
        change.unlock(request.name, home)
    before = there.summary()
    return DiskOutcome(True, before, {**before, "instance": "", "instanceDir": ""})
