# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes an instance's disk from its image."""

from __future__ import annotations

from collections.abc import Callable

from callao.config import Config
from callao.drivers import Driver
from callao.errors import ImageError
from callao.images import FetchedImage
from callao.images.cache import exclusive
from callao.instances import InstancePaths

_TRIES = 5
"""Attempts, as a prune may remove the image between its download and the making of the disk."""


def make_disk(
    paths: InstancePaths, config: Config, driver: Driver, image: Callable[[], FetchedImage]
) -> FetchedImage:
    """Make the disk in a staging directory.

    Holds the lock of the base image, which a prune also takes before it removes one. Once the disk exists,
    a prune sees that it needs the base image.

    :param image: fetches the image; called again when the image was removed meanwhile.
    :raises ImageError: when no image is available.
    :raises DriverError: when the disk cannot be made.
    """
    for _ in range(_TRIES):
        fetched = image()
        with exclusive(fetched.disk):
            if all(
                each.exists() for each in (fetched.disk, fetched.kernel, fetched.initrd) if each is not None
            ):
                driver.create(paths, config, fetched)
                return fetched
    raise ImageError(
        f"{fetched.location} was removed from the cache by another run each time it was fetched.",
        hint="Try again.",
    )
