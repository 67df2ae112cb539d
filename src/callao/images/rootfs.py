# SPDX-License-Identifier: GPL-3.0-or-later
"""Tars of root file systems, for machines that are made of one: unpacked once for each content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from callao.atomic import put_in_place
from callao.errors import ImageError, ImageFormatError
from callao.images.cache import LockWait, exclusive, staging_dir
from callao.images.decompress import compression_of, decompress
from callao.images.store import base_folder, identity_of
from callao.reflink import copy_reflink

_BLOCK = 512
_CHECKSUM_AT, _MAGIC_AT = 148, 257


def rootfs_at(home: Path, identity: str) -> Path:
    """The path of the tar made from the content with this identity; creates nothing."""
    return base_folder(home) / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.tar"


def rootfs_from(source: Path, digest: str, home: Path, location: str, wait: LockWait) -> Path:
    """The tar that a file is or has packed in it. Not compressed, because old releases of what imports it
    know no compression but gzip.

    :param digest: the verified digest of the file; empty where none was requested.
    :raises ImageFormatError: when it is no tar.
    :raises ImageError: when the file changes meanwhile.
    :raises OSError: when the disk is full.
    """
    identity = identity_of(source)
    target = rootfs_at(home, digest or identity)
    with exclusive(target, wait):
        if target.exists():
            return target
        with staging_dir(target) as folder:
            made = folder / target.name
            kind = compression_of(source)
            if kind is None:
                copy_reflink(source, made)
            else:
                decompress(source, made, kind, location)
            refuse_no_tar(made, location)
            if identity_of(source) != identity:
                raise ImageError(f"{location} was changed while it was read.", hint="Try again.")
            made.chmod(0o444)
            put_in_place(made, target)
    return target


def refuse_no_tar(path: Path, location: str) -> None:
    """Check the first entry's header: see pax in POSIX.1-2008, "ustar Interchange Format".

    :raises ImageFormatError: when there is none.
    """
    with path.open("rb") as file:
        block = file.read(_BLOCK)
    if len(block) < _BLOCK or not _has_checksum(block) or block[_MAGIC_AT : _MAGIC_AT + 5] != b"ustar":
        raise ImageFormatError(
            f"{location} is no tar of a root file system.",
            hint="Export one, for example: docker export CONTAINER, or mmdebstrap SUITE rootfs.tar",
        )


def _has_checksum(block: bytes) -> bool:
    field = block[_CHECKSUM_AT : _CHECKSUM_AT + 8]
    try:
        expected = int(field.strip(b" \0"), 8)
    except ValueError:
        return False
    return sum(block) - sum(field) + 8 * ord(" ") == expected
