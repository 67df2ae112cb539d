# SPDX-License-Identifier: GPL-3.0-or-later
"""A project to run Molecule on."""

from __future__ import annotations

from pathlib import Path

import pytest
from molecule_project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
