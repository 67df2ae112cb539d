# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as ansible-galaxy publishes it."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from support.release import artifact_in


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return artifact_in(tmp_path_factory.mktemp("artifact"))


@pytest.fixture(scope="session")
def unpacked(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that has ``ansible_collections``, with what the artifact brings."""
    folder = tmp_path_factory.mktemp("collections")
    with tarfile.open(artifact) as archive:
        archive.extractall(folder / "ansible_collections/callao/lima", filter="data")
    return folder
