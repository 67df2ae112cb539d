# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases that stand outside the project: collected where they are there."""

from __future__ import annotations

from pathlib import Path

SHARED = Path(__file__).parents[4] / "shared" / "corpus"
collect_ignore = [] if SHARED.is_dir() else ["test_shared.py"]
