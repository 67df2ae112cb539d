# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk as the guest knows it: its serial number, and the label of its file system. Pure."""

from __future__ import annotations

import hashlib

_SERIAL = 20
"""Bytes of a virtio block device's serial number (virtio-v1.2, 5.2.6.1)."""

_LABELS = {
    "ext2": 16, "ext3": 16, "ext4": 16, "xfs": 12, "btrfs": 255, "swap": 15, "f2fs": 255, "jfs": 16,
    "nilfs2": 80, "reiserfs": 16, "bcachefs": 32,
}  # fmt: skip
"""Bytes of a label, as each file system's mkfs takes them."""

_SHORTEST = 11
"""Of the file systems that are not in the table: that of FAT."""


def serial(name: str) -> str:
    """The disk's name where it fits; udev makes ``/dev/disk/by-id/virtio-SERIAL`` of it."""
    return _shortened(f"lima-{name}", _SERIAL, 8)


def label(name: str, fs_type: str) -> str:
    """Lima's label, shortened where the file system takes none so long."""
    return _shortened(f"lima-{name}", _LABELS.get(fs_type, _SHORTEST), 4)


def _shortened(text: str, most: int, digits: int) -> str:
    """Two long names that begin alike stay two: the end is a digest of the whole."""
    if len(text) <= most:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:digits]
    return f"{text[: most - digits - 1]}-{digest}"
