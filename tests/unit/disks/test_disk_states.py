# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk brought to a state: what check mode tells is what is done, and a wrong wish touches nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callao.disks.change import create
from callao.disks.ensure import DiskRequest, ensure_disk
from callao.errors import CallaoError
from callao.images.formats import ImageFormat

MIB = 2**20


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With the disks "data", which is free, and "locked", whose instance is gone."""
    for name in ("data", "locked"):
        create(name, tmp_path, size=MIB, form=ImageFormat.QCOW2)
    (tmp_path / "_disks/locked/in_use_by").symlink_to("/nowhere/web")
    return tmp_path


def files(home: Path) -> list[str]:
    return sorted(str(path) for path in home.rglob("*") if path.parent.name != "_locks")


@pytest.mark.parametrize(
    ("wish", "changed"),
    [
        ({"name": "new", "size": "1MiB"}, True),
        ({"name": "new", "size": 1000, "format": "raw"}, True),
        ({"name": "data"}, False),
        ({"name": "data", "size": "1MiB", "format": "qcow2"}, False),
        ({"name": "data", "size": "2MiB"}, True),
        ({"name": "locked", "size": "2MiB"}, True),
        ({"name": "data", "state": "absent"}, True),
        ({"name": "new", "state": "absent"}, False),
        ({"name": "locked", "state": "absent", "force": True}, True),
        ({"name": "locked", "state": "unlocked"}, True),
        ({"name": "data", "state": "unlocked"}, False),
        ({"name": "new", "state": "unlocked"}, False),
    ],
)
def test_check_mode_tells_what_is_done_once(home: Path, wish: dict[str, Any], changed: bool) -> None:
    before = files(home)
    foretold = ensure_disk(DiskRequest(**wish), home=home, check=True)
    assert (foretold.changed, files(home)) == (changed, before)
    done = ensure_disk(DiskRequest(**wish), home=home, check=False)
    assert (done.changed, done.before) == (changed, foretold.before)
    assert (foretold.after or {}).items() <= (done.after or {}).items()
    assert not ensure_disk(DiskRequest(**wish), home=home, check=False).changed


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"name": "new"}, "size: disk 'new' does not exist, and a new one needs a size"),
        ({"name": "a b", "size": "1MiB"}, "'a b': cannot be a disk's name"),
        ({"name": "new", "size": "lots"}, "size: 'lots' is no size"),
        ({"name": "new", "size": 0}, "a disk cannot have no bytes"),
        ({"name": "data", "size": "512KiB"}, "has 1MiB, and a disk cannot shrink"),
        ({"name": "data", "format": "raw"}, "disk 'data' is qcow2, and this never changes"),
        ({"name": "data", "format": "vdi"}, "allowed: qcow2, raw"),
        ({"name": "new", "source": Path("/none")}, "/none"),
        ({"name": "data", "state": "there"}, "state: 'there' is not known (allowed: present, absent"),
        ({"name": "locked", "state": "absent"}, "in use by instance 'web'"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_a_wrong_wish_is_refused_and_touches_nothing(
    home: Path, wish: dict[str, Any], words: str, check: bool
) -> None:
    before = files(home)
    with pytest.raises(CallaoError) as raised:
        ensure_disk(DiskRequest(**wish), home=home, check=check)
    assert words in str(raised.value)
    assert files(home) == before
