# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images: downloaded once, verified during the download, cached as qcow2."""

from callao.images.download_limits import DownloadLimits
from callao.images.ensure import ensure_image
from callao.images.fetch import CachedFile, cached_file, fetch, fetch_latest, remove_cached
from callao.images.fetched_image import FetchedImage
from callao.images.import_file import import_file
from callao.images.store import base_at, base_of_disk

__all__ = [
    "CachedFile",
    "DownloadLimits",
    "FetchedImage",
    "base_at",
    "base_of_disk",
    "cached_file",
    "ensure_image",
    "fetch",
    "fetch_latest",
    "import_file",
    "remove_cached",
]
