# SPDX-License-Identifier: GPL-3.0-or-later
"""Timeouts for stopping a machine, for the host agent that stops it and for callers that wait."""

from __future__ import annotations

from typing import NamedTuple


class StopPolicy(NamedTuple):
    """Seconds for each way of stopping before the next one is tried."""

    acpi: float = 60.0
    ssh: float = 30.0
    quit: float = 10.0

    @property
    def longest(self) -> float:
        """Seconds for all of them; ssh counts twice, for the login and for the shutdown."""
        return self.acpi + 2 * self.ssh + self.quit
