# SPDX-License-Identifier: GPL-3.0-or-later
"""Protects an instance against deletion, by the file that Lima uses, too."""

from __future__ import annotations

from callao.instances.paths import InstancePaths


def set_protected(paths: InstancePaths, *, on: bool) -> None:
    """Create or remove the file; nothing changes when it is so already."""
    if on:
        paths.protected.touch(mode=0o400)
    else:
        paths.protected.unlink(missing_ok=True)
