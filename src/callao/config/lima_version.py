# SPDX-License-Identifier: GPL-3.0-or-later
"""The version of Lima that made an instance: that version's defaults apply to it."""

from __future__ import annotations

from pathlib import Path

LIMA_VERSION = "2.2.0"
"""The Lima whose lima.yaml this is; ``minimumLimaVersion`` is compared with it, and each new instance's
lima-version says it."""

GUEST_HOMES = "2.1.0"
"""From this version on homes end in ``.guest``; before, in ``.linux``."""

_FILES_OF_CREATED_INSTANCE = (
    "ha.stdout.log", "ha.stderr.log", "vz-identifier", "image", "disk", "basedisk", "diffdisk", "cidata.iso"
)  # fmt: skip
"""Files of which each instance has one; an instance with lima.yaml alone may still be in creation."""


def lima_version_of(instance_dir: Path) -> str:
    """The content of lima-version: ``""`` where there is none, as before Lima 0.20; ours for a new one."""
    try:
        return (instance_dir / "lima-version").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        exists = any((instance_dir / name).exists() for name in _FILES_OF_CREATED_INSTANCE)
        return "" if exists else LIMA_VERSION
    except (OSError, UnicodeDecodeError):
        return LIMA_VERSION
