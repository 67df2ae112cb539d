# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of a machine that are not in its configuration."""

from __future__ import annotations

import msgspec


class MachineLayout(msgspec.Struct, frozen=True):
    """Properties of a machine that are not in its configuration; a saved state requires the same ones."""

    slots: int
    """Number of slots for hot-plugged devices, those in use from the start included."""
    reclaims: bool = True
    """Whether memory that the guest frees is returned to the host at once."""
