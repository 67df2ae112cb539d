# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties are checked without a deadline: on a busy machine any example may take long."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("busy", deadline=None)
settings.load_profile("busy")
