# SPDX-License-Identifier: GPL-3.0-or-later
"""A Lima home whose guests are sshds of the test's own, and an environment for Ansible's commands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import programs
from support.collection_finder import install_collection_finder
from support.masters import control_folder
from support.sshd import Box, Sshd, free_port, keygen

install_collection_finder()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    home = tmp_path / "lima"
    (home / "_config").mkdir(parents=True)
    keygen(home / "_config" / "user")
    running: list[Sshd] = []

    def start(**options: object) -> Sshd:
        settings = {
            "folder": tmp_path / f"sshd{len(running)}",
            "port": free_port(),
            "authorized": home / "_config" / "user.pub",
            **options,
        }
        sshd = Sshd(**settings)  # type: ignore[arg-type]
        running.append(sshd)
        return sshd.start()

    yield Box(home=home, start=start)
    for sshd in running:
        sshd.stop()


@pytest.fixture
def control_dir() -> Iterator[Path]:
    """Where control masters of the test live."""
    with control_folder() as folder:
        yield folder


@pytest.fixture
def environment(control_dir: Path, box: Box) -> dict[str, str]:
    """For ansible's commands: nothing of the user's own, everything of ours."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    return {
        **kept,
        **programs.settings(),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(control_dir),
        "LIMA_HOME": str(box.home),
    }
