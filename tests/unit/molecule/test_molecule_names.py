# SPDX-License-Identifier: GPL-3.0-or-later
"""What a platform's instance is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from callao.config.names import is_instance_name
from callao.molecule.names import instance_name, owner


def test_a_platform_keeps_its_name() -> None:
    assert instance_name("/a/p", "default", "web") == instance_name("/a/p", "default", "web")


def test_checkouts_with_the_same_folder_name_differ() -> None:
    assert instance_name("/a/p", "default", "web") != instance_name("/b/p", "default", "web")
    assert owner("/a/p") != owner("/b/p")


@pytest.mark.parametrize("other", [("/a/p", "more", "web"), ("/a/p", "default", "web2")])
def test_scenarios_and_platforms_differ(other: tuple[str, str, str]) -> None:
    assert instance_name("/a/p", "default", "web") != instance_name(*other)


def test_a_project_is_one_under_any_path(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "link").symlink_to("project")
    assert owner(tmp_path / "link") == owner(tmp_path / "project")


@pytest.mark.parametrize(
    "platform", ["web", "a.b_c", "web-1", "-", "ünï", "x" * 200, "instance-with-a-uuid", "a b"]
)
def test_any_platform_has_a_name_that_fits(platform: str) -> None:
    name = instance_name("/" + "long/" * 100, "nested/scenario", platform)
    assert is_instance_name(name)
    assert len(name) <= 27
