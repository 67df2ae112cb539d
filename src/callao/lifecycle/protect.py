# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance kept from being deleted, by Lima's own mark."""

from __future__ import annotations

from callao.instances.paths import InstancePaths


def set_protected(paths: InstancePaths, *, on: bool) -> None:
    """Set the mark, or take it away; as it is when it is so already."""
    if on:
        paths.protected.touch(mode=0o400)
    else:
        paths.protected.unlink(missing_ok=True)
