# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches one file: from the cache, from this machine, or from a server."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from callao.atomic import put_in_place, write_file
from callao.errors import DigestMismatch, DownloadError, ImageError
from callao.events import Event, EventState, Reporter, Stage
from callao.images import digest as digests
from callao.images.cache import CacheEntry, LockWait, cache_entry, exclusive, write_failed
from callao.images.download_limits import DownloadLimits, Progress
from callao.images.location import Location, parse
from callao.offline import NetworkAccess

_INTERVAL = 0.5
"""Seconds between two lines of progress."""


@dataclass(frozen=True)
class CachedFile:
    """A complete file; ``digest`` is ``NAME:HEX``, empty where none was requested."""

    path: Path
    location: str
    digest: str
    from_cache: bool
    size: int


def cached_file(location: str, digest: str | None, home: Path) -> CachedFile | None:
    """The file if it is available without the network; not verified again.

    :raises ImageError: for an invalid location or digest.
    """
    digests.algorithm(digest)
    place = parse(location)
    path = place.path or cache_entry(home, place.url).data
    if not path.is_file():
        return None
    return CachedFile(path, location, digest or "", from_cache=True, size=path.stat().st_size)


def fetch(
    location: str,
    *,
    digest: str | None,
    home: Path,
    report: Reporter,
    access: NetworkAccess = NetworkAccess.ONLINE,
    limits: DownloadLimits | None = None,
) -> CachedFile:
    """The file at ``location``, verified.

    :param digest: ``sha256:…`` or ``sha512:…``; without one, the user gets a notice, and the server is asked
        whether a cached file has changed.
    :raises DownloadError: when it is not available.
    :raises DigestMismatch: when the digest is wrong; nothing of the file is kept.
    """
    name = digests.algorithm(digest)
    place = parse(location)
    if place.path is not None:
        return _local(place.path, location, digest, name)
    cached = cache_entry(home, place.url)
    limits = limits or DownloadLimits()
    try:
        with exclusive(cached.dir, LockWait(limits.lock_timeout, report)):
            if cached.data.is_file() and (digest or _is_current(cached, access, report, limits)):
                found = _cached_digest(cached, name)
                if not digest or found == digest:
                    return _from_cache(cached, place, found)
            if access is NetworkAccess.OFFLINE:
                raise _not_cached(location)
            return _downloaded(cached, place, digest, name, home, report, limits)
    except OSError as error:
        raise write_failed(location, cached, error) from error


def fetch_latest(
    location: str, *, home: Path, report: Reporter, limits: DownloadLimits | None = None
) -> CachedFile:
    """Download the present content of the URL, whatever was cached; for URLs without a digest that change.

    :raises DownloadError: when it is not available; the cached file stays.
    """
    place = parse(location)
    cached = cache_entry(home, place.url)
    try:
        with exclusive(cached.dir, LockWait(report=report)):
            name = digests.algorithm(None)
            return _downloaded(cached, place, None, name, home, report, limits or DownloadLimits())
    except OSError as error:
        raise write_failed(location, cached, error) from error


def _is_current(
    cached: CacheEntry, access: NetworkAccess, report: Reporter, limits: DownloadLimits | None
) -> bool:
    """Whether the cached file is current; also when the server cannot be asked."""
    if access is NetworkAccess.OFFLINE:
        return True
    from callao.images.revalidate import unchanged  # with urllib3

    try:
        same = unchanged(cached, limits or DownloadLimits())
        message = f"{cached.url} has changed since it was fetched: fetching it again."
    except DownloadError as error:
        same, message = (
            True,
            f"The cached file is used, as its server cannot be asked whether it changed: {error}.",
        )
    else:
        if same:
            return True
    report(Event(stage=Stage.IMAGE, state=EventState.NOTICE, message=message))
    return same


def _not_cached(location: str) -> DownloadError:
    return DownloadError(
        f"{location} is not in the cache, and offline mode forbids to fetch it.",
        hint="Run 'callao fetch' with the network, or carry its tar here.",
    )


def _from_cache(cached: CacheEntry, place: Location, found: str) -> CachedFile:
    size = cached.data.stat().st_size
    return CachedFile(cached.data, place.text, found, from_cache=True, size=size)


def remove_cached(location: str, home: Path) -> None:
    """Remove the cached download of ``location``, unless another run has its lock; local files stay."""
    place = parse(location)
    if place.path is None:
        folder = cache_entry(home, place.url).dir
        with contextlib.suppress(ImageError), exclusive(folder, LockWait(0.0)):
            shutil.rmtree(folder, ignore_errors=True)


def _local(path: Path, location: str, digest: str | None, name: str) -> CachedFile:
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for a name that is too long
        raise DownloadError(
            f"{location} is not a file on this machine.", hint="Give an existing file's path."
        )
    try:
        found = digests.file_digest(path, name) if digest else ""
    except OSError as error:
        raise DownloadError(f"{location} cannot be read: {error.strerror}.") from error
    if digest and found != digest:
        digests.verify(location, digest, found)
    return CachedFile(path, location, found, from_cache=True, size=path.stat().st_size)


def _downloaded(
    cached: CacheEntry,
    place: Location,
    digest: str | None,
    name: str,
    home: Path,
    report: Reporter,
    limits: DownloadLimits,
) -> CachedFile:
    from callao.images.download import download  # with urllib3, which nothing else needs
    from callao.images.store import keep_replaced_download

    cached.dir.mkdir(parents=True, exist_ok=True)
    (cached.dir / "url").write_text(cached.url, encoding="utf-8")

    def notice(message: str) -> None:
        report(Event(stage=Stage.IMAGE, state=EventState.NOTICE, message=message))

    found = download(cached, name, limits, _progress(place.name, report), notice)
    try:
        digests.verify(place.text, digest, found)
    except DigestMismatch:
        cached.part.unlink()
        cached.validator.unlink(missing_ok=True)
        cached.part_modified.unlink(missing_ok=True)
        if not cached.data.exists():
            shutil.rmtree(cached.dir)
        raise
    if cached.data.exists():
        keep_replaced_download(cached.data, cached.known_digest(digests.DEFAULT_ALGORITHM), home)
    for stale in cached.dir.glob("*.digest"):
        stale.unlink()
    if not digest:
        message = f"{place.text}: no digest is known for this download."
        report(Event(stage=Stage.IMAGE, state=EventState.NOTICE, message=message))
    put_in_place(cached.part, cached.data)
    # After the data, so that a run that is killed between the two leaves no digest of other data.
    write_file(cached.digest_file(name), f"{found}\n".encode())
    for noted, kept in ((cached.validator, cached.version), (cached.part_modified, cached.modified)):
        kept.unlink(missing_ok=True)
        if noted.exists():
            put_in_place(noted, kept)
    return CachedFile(cached.data, place.text, found, from_cache=False, size=cached.data.stat().st_size)


def _cached_digest(cached: CacheEntry, name: str) -> str:
    """The digest of the cached file; computed once for each requested algorithm."""
    known = cached.known_digest(name)
    if not known:
        known = digests.file_digest(cached.data, name)
        write_file(cached.digest_file(name), f"{known}\n".encode())
    return known


def _progress(name: str, report: Reporter) -> Progress:
    told = 0.0

    def tell(done: int, total: int | None) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < _INTERVAL:
            return
        told = now
        share = f"{100 * done // total} % of {total / 2**20:.0f} MiB" if total else f"{done / 2**20:.0f} MiB"
        report(
            Event(
                stage=Stage.IMAGE,
                state=EventState.PROGRESS,
                message=f"{name} {share}",
                fraction=done / total if total else None,
            )
        )

    return tell
