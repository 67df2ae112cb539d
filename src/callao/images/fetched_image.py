# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a fetched image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FetchedImage:
    """An image in the cache, verified, decompressed, and in qcow2 or, of a root file system, in tar.

    ``kernel`` and ``initrd`` are set for images that boot directly. ``digest`` is ``sha256:…`` or
    ``sha512:…`` of the downloaded file, empty when none is known.
    """

    disk: Path
    location: str
    arch: str
    digest: str = ""
    kernel: Path | None = None
    initrd: Path | None = None
    cmdline: str = ""
    from_cache: bool = False
