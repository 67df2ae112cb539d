# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine is beyond its configuration."""

from __future__ import annotations

import msgspec


class MachineLayout(msgspec.Struct, frozen=True):
    """How a machine is built beyond what its configuration says; a saved state fits its like only."""

    slots: int
    """Places for shares, those from the start among them."""
    reclaims: bool = True
    """Whether memory that the guest frees goes back to the host at once."""
