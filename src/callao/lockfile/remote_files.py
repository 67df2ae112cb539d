# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists and fetches the remote files that a lock needs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from callao.events import Event, EventState, Reporter, Stage, silent
from callao.images import CachedFile, fetch
from callao.lockfile.model import ANY_ARCH, Lock
from callao.offline import NetworkAccess

_REMOTE = ("http://", "https://")


@dataclass(frozen=True, order=True)
class RemoteFile:
    """One remote file; ``size`` is 0 if it is not known."""

    location: str
    digest: str
    size: int = 0


def required_files(lock: Lock, archs: Collection[str] = ()) -> tuple[RemoteFile, ...]:
    """The remote files of the templates of ``lock``, without duplicates, in order.

    :param archs: the architectures of the images; all, when empty.
    """
    found = set()
    for template in lock.templates.values():
        found |= {RemoteFile(source.location, source.digest) for source in template.sources}
        for arch, image in template.images.items():
            if not archs or arch == ANY_ARCH or arch in archs:
                found |= {RemoteFile(file.location, file.digest, file.size) for file in image.files()}
    return tuple(sorted(each for each in found if each.location.startswith(_REMOTE)))


def fetch_all(
    lock: Lock,
    home: Path,
    archs: Collection[str] = (),
    report: Reporter = silent,
    access: NetworkAccess = NetworkAccess.ONLINE,
) -> tuple[CachedFile, ...]:
    """Fetch all remote files into the cache, and verify them.

    :raises ImageError: when one is not available, or differs from the lock.
    """
    wanted = required_files(lock, archs)
    files = []
    for number, each in enumerate(wanted, 1):
        message = f"{number} of {len(wanted)}: {each.location}"
        report(Event(stage=Stage.IMAGE, state=EventState.PROGRESS, message=message))
        files.append(fetch(each.location, digest=each.digest, home=home, report=report, access=access))
    return tuple(files)
