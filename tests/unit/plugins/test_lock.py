# SPDX-License-Identifier: GPL-3.0-or-later
"""The options ``lock`` and ``offline`` in real plays, in check mode."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from callao.lockfile import make, write

INSTANCE = "callao.lima.instance"
IMAGE = "callao.lima.image"


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A template whose image is a file."""
    (tmp_path / "disk").write_bytes(b"a disk")
    path = tmp_path / "box.yaml"
    path.write_text(f"images: [{{location: {tmp_path}/disk}}]\ncpus: 2\n")
    return path


@pytest.fixture
def lock(box: Path, home: Path) -> Path:
    path = box.with_name("callao.lock")
    write(path, make([str(box)], home, folder=path.parent))
    return path


def test_a_locked_template_gets_the_locked_image_and_a_changed_one_is_an_error(
    play: Callable[..., Any], box: Path, lock: Path
) -> None:
    wanted = {"name": "web", "template": str(box), "lock": str(lock)}
    task = {INSTANCE: wanted, "check_mode": True, "diff": True}
    inline = {INSTANCE: {**wanted, "config": {"images": [{"location": "/other"}]}}, "check_mode": True}
    unlocked = {INSTANCE: {**wanted, "template": "debian-12"}, "check_mode": True}
    good, beside, unknown = play(task, inline, unlocked).results
    box.write_text(box.read_text() + "memory: 1GiB\n")
    (changed,) = play(task).results
    (image,) = yaml.safe_load(good["diff"]["after"])["images"]
    assert image["digest"].startswith("sha256:")
    assert beside["error"] == unknown["error"] == changed["error"] == "LockError"
    assert "config: images" in beside["msg"]
    assert "'debian-12' is not in" in unknown["msg"]
    assert "changed: box.yaml" in changed["msg"]
    assert "callao lock" in changed["hint"]


def test_a_lock_that_is_not_there_is_an_error(play: Callable[..., Any], box: Path, tmp_path: Path) -> None:
    wanted = {"name": "web", "template": str(box), "lock": str(tmp_path / "gone.lock")}
    (result,) = play({INSTANCE: wanted, "check_mode": True}).results
    assert result["error"] == "LockError"
    assert "there is no file" in result["msg"]


@pytest.mark.parametrize(("option", "environment"), [({"offline": True}, "0"), ({}, "1")])
def test_offline_asks_no_server(
    play: Callable[..., Any], site: Any, option: dict[str, Any], environment: str
) -> None:
    (site.folder / "disk").write_bytes(b"x")
    (site.folder / "box.yaml").write_text("cpus: 1\n")
    image, instance = play(
        {IMAGE: {"location": f"{site.url}/disk", **option}},
        {INSTANCE: {"name": "web", "template": f"{site.url}/box.yaml", **option}, "check_mode": True},
        CALLAO_OFFLINE=environment,
    ).results
    for result in (image, instance):
        assert result["failed"]
        assert "offline mode forbids" in result["msg"]
