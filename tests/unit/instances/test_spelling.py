# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that differ in case only, where the file system ignores case, as macOS's does."""

from __future__ import annotations

from pathlib import Path

import pytest

from callao.errors import InstanceError, InstanceNotFound
from callao.host import Host
from callao.instances import status
from callao.instances.status import existing_paths
from callao.lifecycle.decide import find_instance


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """It has ``box``, and ignores case: a file system of Linux's is made to by links that no list shows."""
    (tmp_path / "box").mkdir()
    for other in ("Box", "bOX", "BOX"):
        (tmp_path / other).symlink_to("box")
    monkeypatch.setattr(status, "instance_names", lambda _home: ["box"])
    return tmp_path


def test_an_instance_is_found_by_the_spelling_that_it_was_made_with(home: Path) -> None:
    assert existing_paths("box", home).name == "box"


@pytest.mark.parametrize("name", ["Box", "BOX"])
def test_another_spelling_is_neither_that_instance_nor_a_new_one(home: Path, name: str) -> None:
    with pytest.raises(InstanceError, match=r"ignores case, and the name there is 'box'") as caught:
        find_instance(name, home, Host.detect())
    assert not isinstance(caught.value, InstanceNotFound)
    assert caught.value.hint == "Write it so: box. A new instance needs another name."


def test_two_instances_whose_names_differ_in_case_are_two_where_case_counts(tmp_path: Path) -> None:
    for name in ("box", "BOX"):
        (tmp_path / name).mkdir()
    assert [existing_paths(name, tmp_path).name for name in ("box", "BOX")] == ["box", "BOX"]
