# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a module runs from: its own place on the controller, or a package of Ansible's everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GONE: dict[str, Any] = {"callao.lima.instance": {"name": "web", "state": "absent"}}
PACKED = "ANSIBALLZ: "
"""What Ansible says of a module that it packs, where it says all."""

Play = Callable[..., Any]


def test_by_the_controllers_own_python_nothing_is_packed(play: Play) -> None:
    played = play(GONE, ANSIBLE_DEBUG="1")
    assert not played.results[0].get("failed")
    assert about_ours(played.stdout) == ""


def test_nor_where_the_standard_input_brings_the_module(play: Play) -> None:
    played = play(GONE, ANSIBLE_DEBUG="1", ANSIBLE_PIPELINING="1")
    assert not played.results[0].get("failed")
    assert about_ours(played.stdout) == ""


def test_nor_where_the_task_is_delegated(play: Play) -> None:
    task = {**GONE, "delegate_to": "localhost"}
    played = play(task, inventory="elsewhere ansible_host=192.0.2.1\n", ANSIBLE_DEBUG="1")
    assert not played.results[0].get("failed")
    assert about_ours(played.stdout) == ""


def test_a_python_that_somebody_chose_gets_a_package(play: Play, tmp_path: Path) -> None:
    chosen = tmp_path / "python"
    chosen.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    chosen.chmod(0o700)
    task = {**GONE, "vars": {"ansible_python_interpreter": str(chosen)}}
    played = play(task, ANSIBLE_DEBUG="1")
    assert not played.results[0].get("failed")
    assert PACKED in about_ours(played.stdout)


def test_one_in_the_background_gets_a_package(play: Play) -> None:
    python = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    played = play({**GONE, "async": 60, "poll": 1, "vars": python}, ANSIBLE_DEBUG="1")
    assert played.results[0]["finished"]
    assert not played.results[0].get("failed")
    assert PACKED in about_ours(played.stdout)


@pytest.mark.parametrize("name", ["callao", "json"])
def test_no_file_beside_the_playbook_stands_in_for_a_library(play: Play, tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("raise SystemExit('not the library')\n")
    played = play(GONE, ANSIBLE_PIPELINING="1")
    assert not played.results[0].get("failed")


def test_what_the_module_is_told_and_says_is_as_ansible_has_it(play: Play) -> None:
    refused, unknown = play(
        {"callao.lima.instance": {"name": "weiß \u2028'\"\\", "state": "started"}},
        {"callao.lima.instance": {"name": "web", "colour": "red"}},
    ).results
    assert refused["failed"]
    assert "weiß" in refused["msg"]
    assert "colour" in unknown["msg"]


def about_ours(shown: str) -> str:
    """The lines about packing, of those about the module itself."""
    return "\n".join(line for line in shown.splitlines() if PACKED in line and "instance" in line)
