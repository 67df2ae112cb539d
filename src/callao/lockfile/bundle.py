# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports and imports all files of a lock file as one tar, for offline hosts.

The tar contains ``callao.lock`` and files in the cache's own layout, so it can be unpacked by ``tar -x`` in
LIMA_HOME; :func:`unpack` also verifies each file.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from callao.atomic import replacing
from callao.errors import LockError
from callao.events import Event, EventState, Reporter, Stage, silent
from callao.images import CachedFile, import_file
from callao.images.cache import CacheEntry, cache_entry
from callao.lockfile.model import Lock
from callao.lockfile.remote_files import RemoteFile, fetch_all, required_files
from callao.lockfile.text import LockFile, parse, render
from callao.offline import NetworkAccess

LOCK_NAME = "callao.lock"
_MAX_LOCK_BYTES = 16 * 2**20
_ANYWHERE = Path()
"""In the place of LIMA_HOME, for paths inside the tar."""


def export(file: LockFile, home: Path, archs: Collection[str], tar: Path) -> None:
    """Write the files that :func:`callao.lockfile.fetch_all` has fetched to a tar; the same lock gives the
    same bytes.

    :raises LockError: when the tar cannot be written.
    :raises ImageError: when a file is not in the cache, or differs from the lock.
    """
    fetched = fetch_all(file.lock, home, archs, access=NetworkAccess.OFFLINE)
    try:
        with replacing(tar) as fresh:
            with tarfile.open(fresh, mode="x") as out:
                _add_text(out, LOCK_NAME, render(file.lock))
                for cached in sorted(fetched, key=lambda each: _place(each.location).dir):
                    _add_entry(out, cached)
            fresh.chmod(0o644)
    except OSError as error:
        raise LockError(f"{tar} cannot be written: {error.strerror or error}.") from error


def unpack(tar: Path, home: Path, trusted: Lock | None = None, report: Reporter = silent) -> Lock:
    """Unpack the tar's files into the cache; returns the tar's lock.

    :param trusted: the lock to verify the files by; by default the one in the tar, which only shows whether
        the tar is complete.
    :raises LockError: for a tar that was not made by :func:`export`, or contains other files.
    :raises DigestMismatch: for a file that differs from the lock; it is not kept.
    """
    try:
        with tarfile.open(tar, mode="r:") as source:
            members = iter(source)
            carried = _lock_of(source, next(members, None), tar)
            expected = {_place(each.location).dir: each for each in required_files(trusted or carried)}
            for member in members:
                _unpacked(source, member, expected, tar, home, report)
    except (OSError, tarfile.TarError) as error:
        raise LockError(f"{tar} cannot be read: {error}.") from error
    return carried


def _unpacked(
    source: tarfile.TarFile,
    member: tarfile.TarInfo,
    expected: dict[Path, RemoteFile],
    tar: Path,
    home: Path,
    report: Reporter,
) -> None:
    path = PurePosixPath(member.name)
    wanted = expected.get(Path(path.parent))
    if wanted is None or not member.isreg():
        raise LockError(
            f"{tar}: {member.name!r} is not in the lock file.",
            hint="Use the tar that 'callao fetch --tar' made for this lock file.",
        )
    content = source.extractfile(member)
    assert content is not None
    texts = dict(_texts(wanted.location, wanted.digest))
    if path.name == "data":
        report(Event(stage=Stage.IMAGE, state=EventState.PROGRESS, message=f"unpacking {wanted.location}"))
        import_file(wanted.location, content, wanted.digest, home)
    elif path.name not in texts or content.read(len(texts[path.name]) + 1) != texts[path.name].encode():
        raise LockError(f"{tar}: {member.name!r} does not match {wanted.location}.")


def _lock_of(source: tarfile.TarFile, member: tarfile.TarInfo | None, tar: Path) -> Lock:
    if member is None or member.name != LOCK_NAME or not member.isreg() or member.size > _MAX_LOCK_BYTES:
        raise LockError(f"{tar} does not begin with {LOCK_NAME}.", hint="Make it with 'callao fetch --tar'.")
    content = source.extractfile(member)
    assert content is not None
    return parse(content.read().decode("utf-8", "replace"), f"{tar}: {LOCK_NAME}")


def _place(location: str) -> CacheEntry:
    return cache_entry(_ANYWHERE, location)


def _texts(location: str, digest: str) -> Iterator[tuple[str, str]]:
    """The cache entry of a file."""
    yield "url", location
    yield f"{digest.partition(':')[0]}.digest", digest + "\n"


def _add_entry(out: tarfile.TarFile, cached: CachedFile) -> None:
    folder = _place(cached.location).dir.as_posix()
    for name, text in _texts(cached.location, cached.digest):
        _add_text(out, f"{folder}/{name}", text)
    member = _member(f"{folder}/data", cached.size)
    with cached.path.open("rb") as file:
        out.addfile(member, file)


def _add_text(out: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    out.addfile(_member(name, len(data)), io.BytesIO(data))


def _member(name: str, size: int) -> tarfile.TarInfo:
    """A tar entry without the file's own time, owner and mode, so that the tar is reproducible."""
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o644
    return member
