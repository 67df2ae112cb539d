# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that draws what a terminal shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.home import ROOT

SCRIPT = ROOT / "scripts" / "picture.py"


def test_a_run_is_drawn_with_its_commands_and_no_font_of_a_server(tmp_path: Path) -> None:
    target = tmp_path / "pictures" / "run.svg"
    subprocess.run([sys.executable, SCRIPT, target, "printf 'one\\ntwo'", "echo three"], check=True)
    drawn = target.read_text()
    assert all(f">{word}</text>" in drawn for word in ("one", "two", "three"))
    assert "font-face" not in drawn


def test_of_a_run_that_fails_there_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(
            [sys.executable, SCRIPT, tmp_path / "run.svg", "false"], check=True, capture_output=True
        )
    assert list(tmp_path.iterdir()) == []
