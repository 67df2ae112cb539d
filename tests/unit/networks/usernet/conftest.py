# SPDX-License-Identifier: GPL-3.0-or-later
"""A switch for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from networks.usernet.wire import Wire


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    made = Wire(tmp_path / "leases.json")
    yield made
    made.close()
