# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a network of mode user-v2, under Lima's names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from callao.config.network import user_network_socket


@dataclass(frozen=True)
class NetworkFolder:
    """``$LIMA_HOME/_networks/NAME``. Who starts the daemon locks it by flock(2), and so does the daemon
    that ends."""

    dir: Path

    @property
    def name(self) -> str:
        return self.dir.name

    @property
    def control(self) -> Path:
        """The daemon's socket; who it answers, the daemon runs."""
        return self.dir / user_network_socket(self.name).name

    @property
    def pid(self) -> Path:
        """For people: nothing relies on it, as it may name another process after a crash."""
        return self.dir / f"usernet_{self.name}.pid"

    @property
    def leases(self) -> Path:
        return self.dir / "leases.json"

    @property
    def log(self) -> Path:
        return self.dir / f"usernet.{self.name}.stderr.log"


def network_folder(home: Path, name: str) -> NetworkFolder:
    """:param home: ``$LIMA_HOME``."""
    return NetworkFolder(home / "_networks" / name)
