# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells one instance's machine from every other's on the same network."""

from __future__ import annotations

import hashlib
from pathlib import Path


def mac_address(instance_dir: Path) -> str:
    """Of the first NIC: Lima's prefix 52:55:55, then three bytes that this host and folder determine."""
    seed = f"{_machine_id()}{instance_dir}".encode()
    tail = hashlib.sha256(seed).digest()[:3]
    return "52:55:55:" + ":".join(f"{byte:02x}" for byte in tail)


def _machine_id() -> str:
    """See machine-id(5); empty where there is none."""
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
