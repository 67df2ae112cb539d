# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that fills up while an image is fetched, unpacked or converted."""

from __future__ import annotations

import bz2
import os
import subprocess
import sys
from pathlib import Path

import pytest
from images.conftest import Server

SCRIPT = """
import subprocess, sys
from pathlib import Path
from callao.config import Image
from callao.errors import ImageError
from callao.events import silent
from callao.images import DownloadLimits, ensure_image

home = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(home)], check=True)
try:
    images = [Image(location=location) for location in sys.argv[2:]]
    ensure_image(images, "x86_64", home=home, report=silent, limits=DownloadLimits(2.0, 0.5))
except ImageError as error:
    print(type(error).__name__, error)
print([path.name for path in home.rglob("*") if "convert" in path.name or path.suffix == ".qcow2"])
"""
NOISE = bytes(512) + os.urandom(511 * 512)
"""An image by its first bytes, whatever the others are."""


@pytest.fixture(params=["fetched", "unpacked", "converted"])
def location(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> str:
    """An image that is too large for 64 KiB at one step of its way."""
    raw = tmp_path / "disk.raw"
    raw.write_bytes(NOISE)
    packed = tmp_path / "disk.bz2"
    packed.write_bytes(bz2.compress(NOISE))
    return {
        "fetched": server.serve("/disk.raw", NOISE),
        "unpacked": str(packed),
        "converted": str(raw),
    }[request.param]


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a small file system, which only root may")
def test_a_full_disk_is_one_clear_error(location: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    argv = ["unshare", "-m", sys.executable, "-c", SCRIPT, str(home), location]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    message, left = done.stdout.splitlines()
    assert message.startswith("ImageError ")
    assert location in message
    assert "No space left on device" in message
    assert str(home) in message
    assert left == "[]"


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a small file system, which only root may")
def test_a_full_disk_asks_the_server_once_and_tries_no_other_image(server: Server, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    locations = [server.serve("/one.raw", NOISE), server.serve("/two.raw", NOISE)]
    argv = ["unshare", "-m", sys.executable, "-c", SCRIPT, str(home), *locations]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "ImageError" in done.stdout, done.stderr
    assert [path for path, _ in server.requests] == ["/one.raw"]
