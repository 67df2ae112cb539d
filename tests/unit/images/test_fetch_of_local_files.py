# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that are files of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from images.conftest import BODY, get, sha256

from callao.errors import DigestMismatch
from callao.events import silent
from callao.images import fetch


@pytest.mark.parametrize("form", ["plain", "url", "home"])
def test_a_file_of_this_machine_is_used_where_it_is(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "my image.qcow2"
    path.write_bytes(BODY)
    location = {"plain": str(path), "url": path.as_uri(), "home": "~/my image.qcow2"}[form]
    found = fetch(location, digest=sha256(BODY), home=tmp_path / "home", report=silent)
    assert found.path == path
    assert not (tmp_path / "home").exists()


def test_a_file_of_this_machine_is_verified_and_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.img"
    path.write_bytes(BODY)
    with pytest.raises(DigestMismatch):
        get(str(path), tmp_path, "sha256:" + "0" * 64)
    assert path.read_bytes() == BODY
