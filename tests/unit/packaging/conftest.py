# SPDX-License-Identifier: GPL-3.0-or-later
"""What is published, built once for all tests of it."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest
from support.release import artifact_in, run


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel that is built from the sdist alone."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel; what it requires comes from this one's."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    run(sys.executable, "-m", "uv", "pip", "install", "--python", python, "--offline", "--no-deps", wheel)
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # Only that folder: the .pth files in it, and so an editable install, do not count here.
    (packages / "requirements.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return artifact_in(tmp_path_factory.mktemp("artifact"))
