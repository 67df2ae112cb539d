# SPDX-License-Identifier: GPL-3.0-or-later
"""Pins the images of a template: the available ones, with digest and size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from callao.config import Image
from callao.errors import DigestMismatch, DownloadError, LockError
from callao.events import Event, EventState, Reporter, Stage
from callao.images import cached_file, fetch, fetch_latest
from callao.images import digest as digests
from callao.images.size import size_of
from callao.lockfile.model import ANY_ARCH, LockedFile, LockedImage, LockedKernel
from callao.offline import NetworkAccess


def pinned_images(
    document: Mapping[str, object], key: str, *, home: Path, access: NetworkAccess, report: Reporter
) -> dict[str, LockedImage]:
    """For each architecture, the first matching image that is available, as for an instance.

    :raises LockError: when an architecture has no available image, or ``images`` is invalid.
    :raises DigestMismatch: when an image's digest differs from the template's.
    """
    images = _images(document, key)
    found = {}
    for arch, fitting in _by_arch(images):
        reasons = []
        for image in fitting:
            try:
                found[arch] = _image(image, home, access, report)
                break
            except DigestMismatch:
                raise
            except DownloadError as error:
                reasons.append(str(error))
                if image is not fitting[-1]:
                    message = f"{key}: {error} The next image for {arch} is locked instead."
                    report(Event(stage=Stage.IMAGE, state=EventState.NOTICE, message=message))
        else:
            raise LockError(f"template {key!r}: no image for {arch} is available: {' '.join(reasons)}")
    return found


def _images(document: Mapping[str, object], key: str) -> list[Image]:
    try:
        return msgspec.convert(document.get("images") or [], list[Image])
    except msgspec.ValidationError as error:
        raise LockError(f"template {key!r}: images: {error}.") from error


def _by_arch(images: list[Image]) -> Iterator[tuple[str, list[Image]]]:
    named = dict.fromkeys(image.arch.value for image in images if image.arch)
    for arch in named:
        yield arch, [image for image in images if image.arch is None or image.arch.value == arch]
    if anywhere := [image for image in images if image.arch is None]:
        yield ANY_ARCH, anywhere


def _image(image: Image, home: Path, access: NetworkAccess, report: Reporter) -> LockedImage:
    def file(entry: Any) -> LockedFile:
        return _file(entry.location, entry.digest, home, access, report)

    disk = file(image)
    kernel = file(image.kernel) if image.kernel else None
    return LockedImage(
        location=disk.location,
        digest=disk.digest,
        size=disk.size,
        kernel=LockedKernel(
            location=kernel.location,
            digest=kernel.digest,
            size=kernel.size,
            cmdline=(image.kernel.cmdline or "") if image.kernel else "",
        )
        if kernel
        else None,
        initrd=file(image.initrd) if image.initrd else None,
    )


def _file(
    location: str, digest: str | None, home: Path, access: NetworkAccess, report: Reporter
) -> LockedFile:
    """Uses the template's digest if there is one, because it is verified when the file is fetched."""
    there = cached_file(location, digest, home)
    local = "://" not in location or location.startswith("file://")
    if local or access is NetworkAccess.OFFLINE:
        file = fetch(location, digest=digest, home=home, report=report, access=access)
        return LockedFile(
            location=location,
            digest=digest or digests.file_digest(file.path, digests.DEFAULT_ALGORITHM),
            size=file.size,
        )
    if digest:
        size = there.size if there else size_of(location)
        return LockedFile(location=location, digest=digest, size=size)
    message = f"{location} has no digest in its template: fetching it, to know it"
    report(Event(stage=Stage.IMAGE, state=EventState.PROGRESS, message=message))
    file = fetch_latest(location, home=home, report=report)
    return LockedFile(location=location, digest=file.digest, size=file.size)
