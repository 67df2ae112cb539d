# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance's disk, made from its image."""

from __future__ import annotations

from collections.abc import Callable

from callao.config import Config
from callao.drivers import Driver
from callao.errors import ImageError
from callao.images import FetchedImage
from callao.images.cache import exclusive
from callao.instances import InstancePaths

_TRIES = 5
"""For an image that a prune removes between its fetch and the disk."""


def make_disk(
    paths: InstancePaths, config: Config, driver: Driver, image: Callable[[], FetchedImage]
) -> FetchedImage:
    """Make the disk in a folder that is on its way to be an instance.

    Under the lock of its base, as a prune removes one: from then on whoever looks sees who stands on it.

    :param image: has the image; called again when that has been removed meanwhile.
    :raises ImageError: when no image is available.
    :raises DriverError: when the disk cannot be made.
    """
    for _ in range(_TRIES):
        had = image()
        with exclusive(had.disk):
            if all(each.exists() for each in (had.disk, had.kernel, had.initrd) if each is not None):
                driver.create(paths, config, had)
                return had
    raise ImageError(
        f"{had.location} was removed from the cache by another run each time it was fetched.",
        hint="Try again.",
    )
