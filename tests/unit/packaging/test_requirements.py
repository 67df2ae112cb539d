# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock: what `make up` and `make test` install, on each Python that is supported."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PYTHONS = [
    each.rpartition(" ")[2]
    for each in PROJECT["project"]["classifiers"]
    if re.search(r"Python :: 3\.\d+$", each)
]
LOCKED = [
    Requirement(line.removesuffix("\\"))
    for line in (ROOT / "requirements.txt").read_text().splitlines()
    if line[:1].isalnum()
]


def asked() -> Iterator[Requirement]:
    """All that the package, its extras and its dependency groups ask for."""
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    for lines in (project["dependencies"], *project["optional-dependencies"].values(), *groups.values()):
        yield from (Requirement(line) for line in lines if isinstance(line, str))


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_has_all_that_is_asked_for(python: str) -> None:
    there = {
        canonicalize_name(each.name): next(iter(each.specifier)).version
        for each in LOCKED
        if each.marker is None
        or each.marker.evaluate({"python_version": python, "python_full_version": f"{python}.1"})
    }
    wrong = [
        str(each)
        for each in asked()
        if not each.specifier.contains(there.get(canonicalize_name(each.name), "0"))
    ]
    assert wrong == [], "run `make lock`"


def test_the_lock_states_one_version_and_a_hash_of_each_package() -> None:
    assert [str(each) for each in LOCKED if [one.operator for one in each.specifier] != ["=="]] == []
    parts = re.split(r"^(?=\w)", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE)[1:]
    assert [part.split()[0] for part in parts if "--hash=sha256:" not in part] == []


def test_the_package_states_lower_bounds_only() -> None:
    bounds = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
    assert [str(each) for each in bounds if [one.operator for one in each.specifier] != [">="]] == []
