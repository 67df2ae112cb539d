# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a machine gets to stop: known to the host agent that does it, and to whoever waits for it."""

from __future__ import annotations

from typing import NamedTuple


class StopPolicy(NamedTuple):
    """How long each way of stopping gets, in seconds, before the next is tried."""

    acpi: float = 60.0
    ssh: float = 30.0
    quit: float = 10.0

    @property
    def longest(self) -> float:
        """Seconds that all of them take: ssh has its time for the login, and again for the guest."""
        return self.acpi + 2 * self.ssh + self.quit
