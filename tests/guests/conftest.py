# SPDX-License-Identifier: GPL-3.0-or-later
"""Real guests: one golden image for all, and the plugin's fixtures on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.boots import write_recorder
from support.home import CACHE, Golden, Home, build_golden, temporary_home, write_template
from support.run import folder

from callao.drivers.qemu import binary
from callao.host import Host

# What a failed assertion compared is shown of these, too.
pytest.register_assert_rewrite("cidata.suite", "mounts.suite")


@pytest.fixture(scope="module", autouse=True)
def _machines_are_counted() -> Iterator[None]:
    """The table at the end of a run tells which tests have started machines.

    Unit tests that a worker runs between two modules start QEMU without a guest, which is no boot.
    """
    arch = Host.detect().arch
    program = binary.find(arch)
    assert program is not None, binary.not_found_message(arch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"QEMU_SYSTEM_{arch.upper()}", str(write_recorder(folder(), program)))
        yield


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
