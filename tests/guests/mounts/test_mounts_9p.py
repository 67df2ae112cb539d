# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from mounts.suite import ColdSuite, InotifySuite

MOUNT_TYPE = "9p"
pytestmark = pytest.mark.guest


class TestCold(ColdSuite):
    """9p at the start."""


class TestInotify(InotifySuite):
    """And watched."""
