# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches the first available image of a list that has the right architecture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from callao.config import Image
from callao.errors import DigestMismatch, DownloadError, ImageError, ImageFormatError
from callao.events import Event, EventState, Reporter, Stage
from callao.images import digest as digests
from callao.images.cache import LockWait, free_space
from callao.images.download_limits import DownloadLimits
from callao.images.fetch import CachedFile, fetch, remove_cached
from callao.images.fetched_image import FetchedImage
from callao.images.location import parse
from callao.images.rootfs import rootfs_at, rootfs_from
from callao.images.store import base_at, base_folder, base_from_download, base_from_file, identity_of
from callao.offline import NetworkAccess


def ensure_image(
    images: Sequence[Image],
    arch: str,
    *,
    home: Path,
    report: Reporter,
    access: NetworkAccess = NetworkAccess.ONLINE,
    limits: DownloadLimits | None = None,
    rootfs: bool = False,
) -> FetchedImage:
    """Fetch the first available image with the architecture, as Lima does.

    Only images with the variant and the architecture variant of the first one are tried.

    A wrong digest is an error and not a reason to try the next image.

    :param rootfs: whether the images are tars of root file systems, and not disk images.
    :raises ImageError: when none is available, with the reason of each.
    :raises DigestMismatch: when the digest of one is wrong.
    """
    fitting = [image for image in images if image.arch is None or image.arch.value == arch]
    if not fitting:
        known = ", ".join(sorted({image.arch.value for image in images if image.arch})) or "none"
        raise ImageError(f"images: there is none for {arch} (there are some for: {known}).")
    fitting = [image for image in fitting if _variants(image) == _variants(fitting[0])]

    def get(location: str, digest: str | None) -> CachedFile:
        return fetch(location, digest=digest, home=home, report=report, access=access, limits=limits)

    wait = LockWait((limits or DownloadLimits()).lock_timeout, report)
    reasons = []
    for image in fitting:
        try:
            return (_fetched_rootfs if rootfs else _fetched)(image, arch, get, home, wait)
        except DigestMismatch:
            raise
        except DownloadError as error:
            reasons.append(str(error))
            if image is not fitting[-1]:
                message = f"{error} Trying the next image."
                report(Event(stage=Stage.IMAGE, state=EventState.PROGRESS, message=message))
    raise DownloadError("No image is available: " + " ".join(reasons))


def _variants(image: Image) -> tuple[str, str]:
    return image.variant or "", image.arch_variant or ""


def _fetched(
    image: Image, arch: str, get: Callable[[str, str | None], CachedFile], home: Path, wait: LockWait
) -> FetchedImage:
    digests.algorithm(image.digest)
    kept = base_at(home, image.digest) if image.digest else None
    if kept is not None and kept.exists():  # whatever its location has by now
        disk, digest, from_cache = kept, image.digest or "", True
    else:
        file = get(image.location, image.digest)
        disk, digest, from_cache = _base_image(image, file, home, wait), file.digest, file.from_cache
    kernel = get(image.kernel.location, image.kernel.digest) if image.kernel else None
    initrd = get(image.initrd.location, image.initrd.digest) if image.initrd else None
    return FetchedImage(
        disk=disk,
        location=image.location,
        arch=arch,
        digest=digest,
        kernel=kernel.path if kernel else None,
        initrd=initrd.path if initrd else None,
        cmdline=(image.kernel.cmdline or "") if image.kernel else "",
        from_cache=from_cache,
    )


def _fetched_rootfs(
    image: Image, arch: str, get: Callable[[str, str | None], CachedFile], home: Path, wait: LockWait
) -> FetchedImage:
    digests.algorithm(image.digest)
    kept = rootfs_at(home, image.digest) if image.digest else None
    if kept is not None and kept.exists():  # whatever its location has by now
        return FetchedImage(kept, image.location, arch, image.digest or "", from_cache=True)
    file = get(image.location, image.digest)
    try:
        if parse(file.location).path is None and file.from_cache:
            _verify(file)
        tar = rootfs_from(file.path, file.digest, home, file.location, wait)
    except ImageFormatError:
        if not image.digest:  # possibly a login page: the next request may get the image
            remove_cached(image.location, home)
        raise
    except OSError as error:
        raise _not_kept(file.location, home, error) from error
    return FetchedImage(tar, image.location, arch, file.digest, from_cache=file.from_cache)


def _not_kept(location: str, home: Path, error: OSError) -> ImageError:
    return ImageError(
        f"{location} cannot be kept in {base_folder(home)}: {error.strerror or error}.",
        hint=free_space(base_folder(home)),
    )


def _base_image(image: Image, file: CachedFile, home: Path, wait: LockWait) -> Path:
    """The base image made from the file, once for each content."""
    message = f"preparing {Path(file.location).name}"
    try:
        if not base_at(home, file.digest or identity_of(file.path)).exists():
            wait.report(Event(stage=Stage.IMAGE, state=EventState.PROGRESS, message=message))
        if parse(file.location).path is not None:
            return base_from_file(file.path, file.digest, home, file.location, wait)
        if file.from_cache and not base_at(home, file.digest).exists():
            _verify(file)
        return base_from_download(file.path, file.digest, home, file.location, wait)
    except ImageFormatError:
        if not image.digest:  # possibly a login page: the next request may get the image
            remove_cached(image.location, home)
        raise
    except OSError as error:
        raise _not_kept(file.location, home, error) from error


def _verify(file: CachedFile) -> None:
    """Check the recorded digest, because other tools share the cache and may have replaced the file.

    :raises DigestMismatch: when the file has another digest; the record is removed.
    """
    found = digests.file_digest(file.path, digests.algorithm(file.digest))
    if found != file.digest:
        for note in file.path.parent.glob("*.digest"):
            note.unlink()
    digests.verify(file.location, file.digest, found)
