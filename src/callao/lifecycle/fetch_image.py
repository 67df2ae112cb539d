# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches the image that an instance's disk is made from."""

from __future__ import annotations

from pathlib import Path

from callao.config import Config
from callao.drivers import driver_for
from callao.events import Reporter
from callao.images import DownloadLimits, FetchedImage, ensure_image
from callao.offline import NetworkAccess

DEFAULT_TIMEOUT = DownloadLimits().lock_timeout
"""Default of the seconds to wait for another run that fetches the same image."""


def fetch_image(
    config: Config, *, home: Path, access: NetworkAccess, report: Reporter, timeout: float = DEFAULT_TIMEOUT
) -> FetchedImage:
    """The first available image of the configuration for its architecture.

    :param timeout: seconds to wait for another run that fetches it.
    :raises ImageError: when none is available.
    """
    return ensure_image(
        config.images,
        config.arch.value,
        home=home,
        report=report,
        access=access,
        limits=DownloadLimits(lock_timeout=timeout),
        rootfs=driver_for(config.vm_type).features.rootfs_images,
    )
