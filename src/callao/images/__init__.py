# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images: fetched once, verified while they stream, kept in the cache as qcow2."""

from callao.images.download_limits import DownloadLimits
from callao.images.ensure import ensure_image
from callao.images.fetch import CachedFile, fetch, forget, lookup, newest
from callao.images.fetched import Fetched
from callao.images.import_file import adopt
from callao.images.store import base_at, pin

__all__ = [
    "CachedFile",
    "DownloadLimits",
    "Fetched",
    "adopt",
    "base_at",
    "ensure_image",
    "fetch",
    "forget",
    "lookup",
    "newest",
    "pin",
]
