# SPDX-License-Identifier: GPL-3.0-or-later
"""The version of Lima that made an instance: that version's defaults apply to it."""

from __future__ import annotations

from pathlib import Path

LIMA_VERSION = "2.2.0"
"""The version of Lima whose lima.yaml is implemented; ``minimumLimaVersion`` is compared with it, and it is
written to the file lima-version of each new instance."""

GUEST_HOMES = "2.1.0"
"""From this version on, home directories in guests end in ``.guest``; before, in ``.linux``."""

_FILES_OF_CREATED_INSTANCE = (
    "ha.stdout.log", "ha.stderr.log", "vz-identifier", "image", "disk", "basedisk", "diffdisk", "cidata.iso"
)  # fmt: skip
"""Files of which each instance has one; an instance with lima.yaml alone may still be in creation."""


def lima_version_of(instance_dir: Path) -> str:
    """The content of the file lima-version; ``""`` for an instance without the file (made by Lima before
    0.20), and :data:`LIMA_VERSION` for an instance that is not created yet.
    """
    try:
        return (instance_dir / "lima-version").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        exists = any((instance_dir / name).exists() for name in _FILES_OF_CREATED_INSTANCE)
        return "" if exists else LIMA_VERSION
    except (OSError, UnicodeDecodeError):
        return LIMA_VERSION
