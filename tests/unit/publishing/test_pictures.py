# SPDX-License-Identifier: GPL-3.0-or-later
"""The drawings of terminals in the documentation, and the script that makes them."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
from support.release import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PICTURES = sorted((ROOT / "docs/pictures").iterdir())
NAMED = [
    (page, alternative, page.parent / target)
    for page in PAGES
    for alternative, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text())
]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts/pictures")
    return importlib.import_module("terminal")


def test_pages_show_every_picture_and_no_other() -> None:
    assert sorted({target.resolve() for _, _, target in NAMED}) == PICTURES
    assert {page.name for page, _, _ in NAMED} >= {"README.md", "molecule.md", "command-line.md"}


def test_each_picture_has_words_in_its_place() -> None:
    assert [(page.name, target.name) for page, words, target in NAMED if len(words) < 20] == []


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_an_svg_that_loads_nothing(path: Path) -> None:
    root = ElementTree.fromstring(path.read_bytes())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    outside = r"(?:href|src)=|url\((?!#)|@import|<script"
    assert re.findall(outside, path.read_text()) == []


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_shows_a_home_that_is_nobodys(path: Path) -> None:
    shown = "\n".join(ElementTree.fromstring(path.read_bytes()).itertext()).replace("\xa0", " ")
    paths = re.findall(
        r"(?<![\w.~-])/(?:home/(?!ana\b)|work|root|tmp|builds|github|Users|opt|srv|mnt)\b\S*", shown
    )
    assert paths == []
    assert "$ " in shown


def test_what_a_terminal_shows_is_drawn_with_its_colours(terminal: ModuleType, tmp_path: Path) -> None:
    command = r"printf 'one\n\033[31mred\033[0m\n'; printf 'gone\r\033[Kkept\n'; test -t 1 && pwd"
    shown = terminal.run(command, tmp_path, {"PATH": os.environ["PATH"]})
    assert shown.plain.splitlines()[1:] == ["one", "red", "kept", str(tmp_path)]
    drawn = terminal.draw("run", "a run", [shown])
    assert "font-face" not in drawn
    (style,) = re.findall(r'class="(callao-run-r\d+)"[^>]*>red<', drawn)
    assert re.search(rf"\.{style} \{{ fill: #cc555a", drawn)
    assert drawn == terminal.draw("run", "a run", [shown])
