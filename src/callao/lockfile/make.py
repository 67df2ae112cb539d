# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a lock of the templates as they are today; existing entries stay unless an update is asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path

import callao
from callao.errors import LockError
from callao.events import Event, EventState, Reporter, Stage, silent
from callao.lockfile.changes import describe_changes
from callao.lockfile.digest import document_digest
from callao.lockfile.model import VERSION, Lock, LockedSource, LockedTemplate
from callao.lockfile.names import key_of, place_of, reference_of
from callao.lockfile.packages import snapshot_of
from callao.lockfile.pin import pinned_images
from callao.offline import NetworkAccess
from callao.templates import Bases, Resolved, resolve


def make(
    references: Iterable[str],
    home: Path,
    *,
    folder: Path,
    access: NetworkAccess = NetworkAccess.ONLINE,
    report: Reporter = silent,
    previous: Lock | None = None,
    update: Collection[str] = (),
    when: datetime | None = None,
) -> Lock:
    """``previous`` with each of ``references`` locked.

    :param folder: the lock file's folder; paths in the lock are relative to it.
    :param update: locked templates to lock again, as references or keys.
    :param when: the day whose packages are locked; today by default.
    :raises LockError: when a template differs from ``previous`` and ``update`` does not name it.
    """
    locked = dict(previous.templates) if previous else {}
    renewed = {each if each in locked else key_of(each, folder) for each in update}
    wanted = dict.fromkeys([*(key_of(each, folder) for each in references), *renewed])
    unknown = sorted(renewed - locked.keys() - {key_of(each, folder) for each in references})
    if unknown:
        known = ", ".join(sorted(locked)) or "none"
        raise LockError(f"update: {unknown[0]!r} is not locked (locked: {known}).")
    for key in wanted:
        resolved = resolve(reference_of(key, folder), home, access=access, report=report, bases=Bases.OWN)
        old = None if key in renewed else locked.get(key)
        if old is not None and old.digest != document_digest(resolved.document):
            raise LockError(describe_changes(key, old, resolved, folder), hint=_REMEDY.format(key))
        if old is None:
            locked[key] = _locked(key, resolved, folder, home, access, report, when or datetime.now(UTC))
            report(Event(stage=Stage.IMAGE, state=EventState.PROGRESS, message=f"{key} is locked"))
    return Lock(version=VERSION, engine=callao.__version__, templates=locked)


_REMEDY = "Look at it; if it is right, run 'callao lock --update {}'."


def _locked(
    key: str,
    resolved: Resolved,
    folder: Path,
    home: Path,
    access: NetworkAccess,
    report: Reporter,
    when: datetime,
) -> LockedTemplate:
    images = pinned_images(resolved.document, key, home=home, access=access, report=report)
    return LockedTemplate(
        digest=document_digest(resolved.document),
        sources=tuple(
            LockedSource(location=place_of(source.location, folder), digest=source.digest)
            for source in resolved.sources
        ),
        images=images,
        packages=snapshot_of((image.location for image in images.values()), when),
    )
