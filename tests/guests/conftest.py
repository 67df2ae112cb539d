# SPDX-License-Identifier: GPL-3.0-or-later
"""Real guests: one golden image for all, one running instance shared by the session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.home import Golden, Home, build_golden, temporary_home

from callao.instances import InstancePaths, inspect


@dataclass(frozen=True)
class Guest:
    """A running instance."""

    name: str
    home: Path
    paths: InstancePaths


@pytest.fixture(scope="session")
def golden() -> Golden:
    return build_golden()


@pytest.fixture(scope="session")
def shared_home(golden: Golden) -> Iterator[Home]:
    with temporary_home(golden) as home:
        yield home


@pytest.fixture
def home(golden: Golden) -> Iterator[Home]:
    """A home for one test."""
    with temporary_home(golden) as home:
        yield home


@pytest.fixture(scope="session")
def guest(shared_home: Home) -> Guest:
    """One running instance for the session, in each worker: look, but leave it as it was."""
    shared_home.ensure("shared", extra=shared_home.direct(), timeout=300)
    paths = inspect("shared", shared_home.path, shared_home.host).paths
    return Guest("shared", shared_home.path, paths)
