# SPDX-License-Identifier: GPL-3.0-or-later
"""The base images that back instances' disks: one file for each content, never changed or replaced.

A download is cached by its URL, whose content may change; so may a file of the user's own. But an instance's
disk reads the blocks that it has not written from its base image as long as it exists.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from callao.atomic import put_in_place
from callao.errors import ImageError
from callao.images import digest as digests
from callao.images.cache import DEFAULT_WAIT, LockWait, exclusive, staging_dir
from callao.images.convert import to_qcow2, usable_as_is
from callao.images.formats import ImageFormat, detect_format
from callao.reflink import copy_reflink

STORE_NAME = "qcow2"
"""The folder's name in the cache."""


def base_folder(home: Path) -> Path:
    """The folder."""
    return (
        home / "_cache" / STORE_NAME
    ).resolve()  # an overlay records the path, and a link to it may be deleted


def base_at(home: Path, identity: str) -> Path:
    """The path of the qcow2 made from the content with this identity; creates nothing.

    :param identity: a digest, or :func:`identity_of` a local file.
    """
    return base_folder(home) / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.qcow2"


def identity_of(path: Path) -> str:
    """An identity of a local file that changes with its content, by its metadata."""
    status = path.stat()
    seen = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return "\n".join([str(path.resolve()), *map(str, seen)])


def base_from_download(
    source: Path, digest: str, home: Path, location: str, wait: LockWait = DEFAULT_WAIT
) -> Path:
    """The base image made from a cached download with this digest. Where possible, it is a hard link to it,
    which stays when the download is replaced.

    :raises ImageFormatError: when it is no disk image.
    :raises OSError: when the disk is full.
    """
    target = base_at(home, digest)
    with exclusive(target, wait):
        if not target.exists():
            if usable_as_is(source, location):
                _link_or_copy(source, target)
            else:
                to_qcow2(source, target, location)
    return target


def base_from_file(
    source: Path, digest: str, home: Path, location: str, wait: LockWait = DEFAULT_WAIT
) -> Path:
    """The base image made from a local file that may change: a copy, by reflink where possible.

    :param digest: the verified digest of the file; empty where none was requested.
    :raises ImageError: when the file changes meanwhile.
    :raises ImageFormatError: when it is no disk image.
    :raises OSError: when the disk is full.
    """
    identity = identity_of(source)
    target = base_at(home, digest or identity)
    with exclusive(target, wait):
        if target.exists():
            return target
        with staging_dir(target) as folder:
            made = folder / target.name
            if usable_as_is(source, location):
                copy_reflink(source, made)
            else:
                to_qcow2(source, made, location)
            if identity_of(source) != identity:
                raise ImageError(f"{location} was changed while it was read.", hint="Try again.")
            made.chmod(0o444)
            put_in_place(made, target)
    return target


def keep_replaced_download(data: Path, digest: str, home: Path) -> None:
    """Keep a download as a base image before it is replaced, because earlier versions made disks on it.

    Errors are ignored.

    :param digest: the recorded digest; empty where there is none.
    """
    with contextlib.suppress(OSError, ImageError):
        if detect_format(data, str(data)) is ImageFormat.QCOW2:
            base_from_download(
                data, digest or digests.file_digest(data, digests.DEFAULT_ALGORITHM), home, str(data)
            )


def base_of_disk(base: Path, digest: str, home: Path) -> Path | None:
    """The base image for a disk that an earlier version made on a download or on a local file.

    :param digest: of the content that the disk was made on; empty where it is unknown.
    :returns: None when the file has another content by now, and no base image has the former one.
    :raises OSError: when the base image cannot be written.
    """
    if not digest:
        return base_from_file(base, "", home, str(base))
    kept = base_at(home, digest)
    if kept.exists():
        return kept
    if digests.file_digest(base, digests.algorithm(digest)) != digest:
        return None
    return base_from_download(base, digest, home, str(base))


def _link_or_copy(source: Path, target: Path) -> None:
    """Make a hard link where the file system supports it, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        with staging_dir(target) as folder:
            made = folder / target.name
            copy_reflink(source, made)
            put_in_place(made, target)
    target.chmod(0o444)
