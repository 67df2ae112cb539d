# SPDX-License-Identifier: GPL-3.0-or-later
"""The first image of a list that fits and can be had, ready to boot from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from callao.access import Access
from callao.config import Image
from callao.errors import DigestMismatch, DownloadError, ImageError, ImageFormatError
from callao.events import Event, Reporter, Stage, State
from callao.images.cache import converted_at, exclusive, room
from callao.images.convert import to_qcow2, usable_as_is
from callao.images.fetch import CachedFile, fetch, forget
from callao.images.fetched import Fetched
from callao.images.patience import Patience


def ensure_image(
    images: Sequence[Image],
    arch: str,
    *,
    home: Path,
    report: Reporter,
    access: Access = Access.ONLINE,
    patience: Patience | None = None,
) -> Fetched:
    """Lima's rule: the first whose architecture fits and that can be fetched wins.

    A wrong digest is not a reason to take the next one: somebody has to look at it.

    :raises ImageError: when none can be had, with each one's reason.
    :raises DigestMismatch: when one is not what was asked for.
    """
    fitting = [image for image in images if image.arch is None or image.arch.value == arch]
    if not fitting:
        known = ", ".join(sorted({image.arch.value for image in images if image.arch})) or "none"
        raise ImageError(f"images: there is none for {arch} (there are some for: {known}).")

    def get(location: str, digest: str | None) -> CachedFile:
        return fetch(location, digest=digest, home=home, report=report, access=access, patience=patience)

    reasons = []
    for image in fitting:
        try:
            return _fetched(image, arch, get, home, report)
        except DigestMismatch:
            raise
        except DownloadError as error:
            reasons.append(str(error))
            if image is not fitting[-1]:
                message = f"{error} Trying the next image."
                report(Event(stage=Stage.IMAGE, state=State.PROGRESS, message=message))
    raise DownloadError("No image can be had: " + " ".join(reasons))


def _fetched(
    image: Image, arch: str, get: Callable[[str, str | None], CachedFile], home: Path, report: Reporter
) -> Fetched:
    file = get(image.location, image.digest)
    kernel = get(image.kernel.location, image.kernel.digest) if image.kernel else None
    initrd = get(image.initrd.location, image.initrd.digest) if image.initrd else None
    try:
        disk = _as_qcow2(file, home, report)
    except ImageFormatError:
        if not image.digest:  # a login page, say: the location may bring the image next time
            forget(image.location, home)
        raise
    return Fetched(
        disk=disk,
        location=image.location,
        arch=arch,
        digest=file.digest,
        kernel=kernel.path if kernel else None,
        initrd=initrd.path if initrd else None,
        cmdline=(image.kernel.cmdline or "") if image.kernel else "",
        from_cache=file.from_cache,
    )


def _as_qcow2(file: CachedFile, home: Path, report: Reporter) -> Path:
    """The file itself, or what was made from it: once for each content."""
    try:
        if usable_as_is(file.path, file.location):
            return file.path
        status = file.path.stat()
    except OSError as error:
        raise ImageError(f"{file.location} cannot be read: {error.strerror}.") from error
    target = converted_at(home, f"{file.path}\n{status.st_size}\n{status.st_mtime_ns}")
    try:
        _converted(file, target, report)
    except OSError as error:
        raise ImageError(
            f"{file.location} cannot be made a qcow2 in {target.parent}: {error.strerror or error}.",
            hint=room(target.parent),
        ) from error
    return target


def _converted(file: CachedFile, target: Path, report: Reporter) -> None:
    with exclusive(target):
        if not target.exists():
            message = f"converting {Path(file.location).name} to qcow2"
            report(Event(stage=Stage.IMAGE, state=State.PROGRESS, message=message))
            to_qcow2(file.path, target, file.location)
