# SPDX-License-Identifier: GPL-3.0-or-later
"""Real guests: one golden image for all, and the plugin's fixtures on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.home import CACHE, Golden, Home, build_golden, temporary_home, write_template


@pytest.fixture(scope="session")
def golden() -> Golden:
    return build_golden()


@pytest.fixture
def home(golden: Golden) -> Iterator[Home]:
    """A home for one test."""
    with temporary_home(golden) as home:
        yield home


@pytest.fixture(scope="session")
def callao_cache() -> Path:
    """Warm machines outlive a run, as the golden image does."""
    return CACHE


@pytest.fixture(scope="session")
def callao_template(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small guest from the golden image, booted without firmware."""
    return write_template(golden, tmp_path_factory.mktemp("template") / "small.yaml")
