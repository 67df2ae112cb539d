# SPDX-License-Identifier: GPL-3.0-or-later
"""The ISO image, read back."""

from __future__ import annotations

import stat
from io import BytesIO
from pathlib import Path

import pytest
from pycdlib import PyCdlib

from callao.cidata import seed_files, write_iso
from callao.config.schema import Provision, ProvisionMode


def _read(path: Path, kind: str) -> dict[str, bytes]:
    """All files by their Rock Ridge (``rr_path``) or Joliet (``joliet_path``) names."""
    image = PyCdlib()
    image.open(str(path))
    found = {}
    for folder, _, names in image.walk(**{kind: "/"}):
        for name in names:
            full = f"{folder.rstrip('/')}/{name}"
            data = BytesIO()
            image.get_file_from_iso_fp(data, **{kind: full})
            found[full.removeprefix("/")] = data.getvalue()
    image.close()
    return found


@pytest.mark.parametrize("kind", ["rr_path", "joliet_path"])
def test_every_file_can_be_read_back_by_its_name(make_seed, tmp_path, kind):
    entry = Provision(mode=ProvisionMode.DATA, path="/etc/x", content="é" * 5000)
    files = seed_files(make_seed(provision=(Provision(script="#!/bin/sh\n"), Provision(script=""), entry)))
    write_iso(files, tmp_path / "cidata.iso")
    assert _read(tmp_path / "cidata.iso", kind) == files


def test_a_file_of_the_host_is_on_the_image(tmp_path):
    large = tmp_path / "archive.tgz"
    large.write_bytes(b"\0archive\n" * 100_000)
    write_iso({"meta-data": b"x"}, tmp_path / "seed.iso", {"nerdctl-full.tgz": large})
    for kind in ("rr_path", "joliet_path"):
        found = _read(tmp_path / "seed.iso", kind)
        assert found == {"meta-data": b"x", "nerdctl-full.tgz": large.read_bytes()}
    with pytest.raises(FileNotFoundError):
        write_iso({}, tmp_path / "seed.iso", {"nosuch": tmp_path / "nosuch"})
    assert _read(tmp_path / "seed.iso", "rr_path") == found


def test_nocloud_finds_the_volume_by_its_id(tmp_path):
    write_iso({"meta-data": b"x"}, tmp_path / "seed.iso")
    data = (tmp_path / "seed.iso").read_bytes()
    assert data[0x8001:0x8006] == b"CD001"
    assert data[0x8028:0x8048] == b"cidata".ljust(32)


def test_scripts_are_executable_and_nothing_is_open_to_others(make_seed, tmp_path):
    entry = Provision(mode=ProvisionMode.DATA, path="/etc/x", content="x")
    write_iso(seed_files(make_seed(provision=(Provision(script="true"), entry))), tmp_path / "seed.iso")
    image = PyCdlib()
    image.open(str(tmp_path / "seed.iso"))
    expected = {
        "/boot.sh": stat.S_IFREG | 0o500,
        "/boot": stat.S_IFDIR | 0o500,
        "/provision.system/00000000": stat.S_IFREG | 0o500,
        "/provision.data/00000001": stat.S_IFREG | 0o400,
        "/user-data": stat.S_IFREG | 0o400,
    }
    modes = {path: image.get_record(rr_path=path).rock_ridge.get_file_mode() for path in expected}
    image.close()
    assert modes == expected


def test_the_image_is_its_owners_alone_and_replaces_the_old_one(tmp_path):
    path = tmp_path / "cidata.iso"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_iso({"meta-data": b"x"}, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["cidata.iso"]


def test_a_write_that_fails_leaves_the_old_image_and_nothing_else(tmp_path):
    path = tmp_path / "cidata.iso"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_iso({"a": b"x", "b": None}, path)  # type: ignore[dict-item]
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["cidata.iso"]
