# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests as lima.yaml writes them: ``sha256:`` or ``sha512:`` and hex digits."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from callao.errors import DigestMismatch, ImageError

_DIGEST = re.compile(r"(sha256:[0-9a-f]{64})|(sha512:[0-9a-f]{128})")
ALGORITHMS = ("sha256", "sha512")
DEFAULT_ALGORITHM = "sha256"
"""The algorithm where no digest was given."""

_CHUNK = 1 << 20


def algorithm(digest: str | None) -> str:
    """The algorithm's name.

    :raises ImageError: when the text is no digest.
    """
    if not digest:
        return DEFAULT_ALGORITHM
    if not _DIGEST.fullmatch(digest):
        raise ImageError(
            f"digest: {digest!r} is not one (allowed: sha256: and 64, or sha512: and 128, hex digits)."
        )
    return digest.partition(":")[0]


def file_digest(path: Path, name: str) -> str:
    """``NAME:HEX`` of a file's content."""
    with path.open("rb") as file:
        return f"{name}:{hashlib.file_digest(file, name).hexdigest()}"


def verify(location: str, wanted: str | None, found: str) -> None:
    """Compare two digests.

    :raises DigestMismatch: naming both.
    """
    if wanted and wanted != found:
        raise DigestMismatch(
            f"{location}: the digest is wrong: expected {wanted}, got {found}.",
            hint="Nothing of it was kept. If the publisher has replaced the image, update the digest.",
        )
