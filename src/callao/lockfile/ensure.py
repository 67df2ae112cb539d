# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a lock file to a requested state; in check mode, reports what would change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from callao.errors import LockError
from callao.events import Reporter, silent
from callao.lockfile.make import make
from callao.lockfile.model import Lock
from callao.lockfile.names import is_relative, key_of, reference_of
from callao.lockfile.text import read, render, write
from callao.offline import NetworkAccess


@dataclass(frozen=True)
class LockOutcome:
    """``before`` and ``after`` are the file's text, empty if it does not exist.

    In check mode ``lock`` is None, and ``after`` lists new entries as comments, because their digests are
    not known.
    """

    changed: bool
    before: str
    after: str
    lock: Lock | None = None


def ensure_lock(
    path: Path,
    templates: list[str],
    update: list[str],
    *,
    home: Path,
    access: NetworkAccess = NetworkAccess.ONLINE,
    check: bool,
    report: Reporter = silent,
) -> LockOutcome:
    """Lock each of ``templates`` in the file. Existing entries stay, and are checked for changes.

    :param templates: names, absolute paths and URLs; without any, all locked templates are checked.
    :param update: templates to lock again, by name or by the file's keys.
    :raises LockError: when a template has changed since it was locked, or there is nothing to lock.
    """
    folder = path.absolute().parent
    previous = read(path).lock if path.exists() else None
    locked = dict(previous.templates) if previous else {}
    for reference in (*templates, *(each for each in update if each not in locked)):
        if is_relative(reference):
            allowed = "a template's name, an absolute path, an address"
            raise LockError(f"lock: {reference!r} is a relative path (allowed: {allowed}).")
    renewed = [each if each in locked else key_of(each, folder) for each in update]
    wanted = list(dict.fromkeys([*(key_of(each, folder) for each in templates), *renewed])) or list(locked)
    if not wanted:
        raise LockError(f"lock: {path}: nothing is named, and nothing is locked.", hint="Name templates.")
    new = [key for key in wanted if key not in locked or key in renewed]
    before = render(previous) if previous else ""
    asked = [key for key in wanted if key not in new] if check else wanted
    lock = make(
        [reference_of(key, folder) for key in asked],
        home,
        folder=folder,
        access=access,
        report=report,
        previous=previous,
        update=[] if check else [key for key in renewed if key in locked],
    )
    after = render(lock)
    if check:
        comments = "".join(f"# to be locked: {key}\n" for key in new)
        return LockOutcome(bool(new) or after != before, before, after + comments)
    if after != before:
        write(path, lock)
    return LockOutcome(after != before, before, after, lock)
