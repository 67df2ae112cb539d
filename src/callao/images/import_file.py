# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports a file into the download cache, in place of downloading it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from callao.atomic import put_in_place, write_file
from callao.images import digest as digests
from callao.images.cache import CacheEntry, cache_entry, exclusive, write_failed
from callao.images.store import keep_replaced_download

_CHUNK = 1 << 20


def import_file(url: str, data: IO[bytes], digest: str, home: Path) -> Path:
    """Store ``data`` as the download of ``url``; an existing file with the digest stays.

    :raises DigestMismatch: when the digest is wrong; nothing is stored.
    :raises ImageError: when it cannot be written.
    """
    name = digests.algorithm(digest)
    place = cache_entry(home, url)
    try:
        with exclusive(place.dir):
            if place.data.is_file() and digests.file_digest(place.data, name) == digest:
                return place.data
            return _put(place, data, name, digest, home)
    except OSError as error:
        raise write_failed(url, place, error) from error


def _put(place: CacheEntry, data: IO[bytes], name: str, digest: str, home: Path) -> Path:
    place.dir.mkdir(parents=True, exist_ok=True)
    temporary = (
        place.dir / ".data.adopted"
    )  # a fixed name, so that what a killed run has left is overwritten
    try:
        with temporary.open("wb") as file:
            while chunk := data.read(_CHUNK):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        digests.verify(place.url, digest, digests.file_digest(temporary, name))
        if place.data.exists():
            keep_replaced_download(place.data, place.known_digest(digests.DEFAULT_ALGORITHM), home)
        for stale in place.dir.glob("*.digest"):
            stale.unlink()
        (place.dir / "url").write_text(place.url, encoding="utf-8")
        put_in_place(temporary, place.data)
        # After the data, so that a run that is killed between the two leaves no digest of other data.
        write_file(place.digest_file(name), f"{digest}\n".encode())
    finally:
        temporary.unlink(missing_ok=True)
    return place.data
