# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of downloads under ``$LIMA_HOME/_cache``, in Lima's layout, shared with Lima itself."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from callao import flock
from callao.errors import ImageError
from callao.events import Event, EventState, Reporter, Stage, silent
from callao.images.download_limits import DownloadLimits


@dataclass(frozen=True)
class CacheEntry:
    """One URL's folder: ``download/by-url-sha256/<sha256 of the URL>``."""

    dir: Path
    url: str

    @property
    def data(self) -> Path:
        """The downloaded file, complete and verified."""
        return self.dir / "data"

    @property
    def part(self) -> Path:
        """An incomplete download, running or interrupted."""
        return self.dir / "data.part"

    @property
    def validator(self) -> Path:
        """Ours: the ETag or date of the incomplete download."""
        return self.dir / "data.part.validator"

    @property
    def version(self) -> Path:
        """Ours: the ETag or date of the complete download."""
        return self.dir / "data.validator"

    @property
    def modified(self) -> Path:
        """The date alone, in the file that Lima uses."""
        return self.dir / "time"

    @property
    def part_modified(self) -> Path:
        """The date of the incomplete download."""
        return self.dir / "data.part.time"

    def digest_file(self, algorithm: str) -> Path:
        return self.dir / f"{algorithm}.digest"

    def known_digest(self, algorithm: str) -> str:
        """The recorded ``NAME:HEX``; empty when there is none."""
        try:
            return self.digest_file(algorithm).read_text(encoding="ascii").strip()
        except OSError:
            return ""


def cache_entry(home: Path, url: str) -> CacheEntry:
    """The cache entry of ``url``; creates nothing."""
    name = hashlib.sha256(url.encode()).hexdigest()
    return CacheEntry(home / "_cache" / "download" / "by-url-sha256" / name, url)


def is_of_another_home(folder: str, home: Path) -> bool:
    """Whether this folder of the cache belongs to another LIMA_HOME, by a link, whose instances are unknown.

    A cache that the user has moved to a larger disk still belongs to this home.
    """
    place = home / "_cache" / folder
    other = place.resolve().parent.parent
    return place.is_symlink() or (other != home.resolve() and (other / "_config").exists())


def free_space(folder: Path) -> str:
    """A message: how much space is free where ``folder`` is or would be."""
    place = next(place for place in (folder, *folder.parents) if place.exists())
    return f"{shutil.disk_usage(place).free / 2**20:.0f} MiB are free there."


def write_failed(location: str, place: CacheEntry, error: OSError) -> ImageError:
    """The error for a full disk or missing permissions."""
    return ImageError(
        f"{location} cannot be kept in {place.dir}: {error.strerror or error}.", hint=free_space(place.dir)
    )


_STAGING = ".staging"


@contextlib.contextmanager
def staging_dir(target: Path) -> Iterator[Path]:
    """Yield a staging directory beside ``target``; the caller holds its lock, :func:`exclusive`.

    Its name depends on the target alone, so that the next run removes what a killed one has left; see also
    :func:`staging_dirs`.
    """
    folder = target.with_name(f".{target.name}{_STAGING}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def staging_dirs(folder: Path) -> list[tuple[Path, Path]]:
    """The staging directories in a folder, each with its target."""
    found = folder.glob(f".*{_STAGING}")
    return [(each, each.with_name(each.name[1 : -len(_STAGING)])) for each in found]


@dataclass(frozen=True)
class LockWait:
    """How long to wait for another run, and where to report that."""

    seconds: float = DownloadLimits().lock_timeout
    report: Reporter = silent


DEFAULT_WAIT = LockWait()


@contextlib.contextmanager
def exclusive(path: Path, wait: LockWait = DEFAULT_WAIT) -> Iterator[None]:
    """Lock the file at ``path``: one caller makes it, the others wait and then find it.

    :raises ImageError: when another run takes too long.
    """
    path.parent.mkdir(parents=True, exist_ok=True)

    def waits(who: str) -> None:
        message = f"{path}: waiting for another run, {who}."
        wait.report(Event(stage=Stage.IMAGE, state=EventState.NOTICE, message=message))

    def busy(who: str) -> ImageError:
        return ImageError(
            f"{path} is being made by another run, {who}; waited {wait.seconds:.0f} s for it.",
            hint="Wait for that run to end, or raise 'timeout'.",
        )

    with flock.exclusive(path.with_name(f".{path.name}.lock"), wait.seconds, busy, waits):
        yield
