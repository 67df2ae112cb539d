# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from mounts.suite import ColdSuite, InotifySuite

MOUNT_TYPE = "virtiofs"
pytestmark = pytest.mark.guest


class TestCold(ColdSuite):
    """virtiofs at the start."""


class TestInotify(InotifySuite):
    """And watched."""
