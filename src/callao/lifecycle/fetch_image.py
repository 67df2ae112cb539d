# SPDX-License-Identifier: GPL-3.0-or-later
"""The image that an instance's disk begins from."""

from __future__ import annotations

from pathlib import Path

from callao.config import Config
from callao.events import Reporter
from callao.images import DownloadLimits, FetchedImage, ensure_image
from callao.offline import NetworkAccess

DEFAULT_TIMEOUT = DownloadLimits().lock_timeout
"""Seconds that another run may keep us from an image, where nobody said how long."""


def fetch_image(
    config: Config, *, home: Path, access: NetworkAccess, report: Reporter, timeout: float = DEFAULT_TIMEOUT
) -> FetchedImage:
    """The first of its images that is available, for its architecture.

    :param timeout: seconds that another run may keep us from it.
    :raises ImageError: when none is available.
    """
    return ensure_image(
        config.images,
        config.arch.value,
        home=home,
        report=report,
        access=access,
        limits=DownloadLimits(lock_timeout=timeout),
    )
