# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches the archive that containerd is installed from."""

from __future__ import annotations

from pathlib import Path

from callao.config import Config
from callao.config.containerd import archives
from callao.errors import CallaoError, ImageError
from callao.events import Reporter
from callao.images import fetch
from callao.offline import NetworkAccess


def fetch_archive(config: Config, *, home: Path, access: NetworkAccess, report: Reporter) -> Path:
    """The first available archive for the guest's architecture. A cached one with a digest is used without a
    request to its server, so that an instance starts without the network.

    :raises ImageError: when none is available, with the reason for each.
    """
    reasons = []
    for entry in archives(config):
        try:
            fetched = fetch(entry.location, digest=entry.digest, home=home, report=report, access=access)
        except CallaoError as error:
            reasons.append(f"{entry.location}: {error.message}")
        else:
            return fetched.path
    raise ImageError(
        f"containerd.archives: none is available. {' '.join(reasons)}",
        hint="Name another archive, or set containerd.user and containerd.system to false.",
    )
