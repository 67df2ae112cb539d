# SPDX-License-Identifier: GPL-3.0-or-later
"""The seed of a copied machine, as far as it goes without being root; the guest tests do the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from callao.guest import cidata_disk

ROOT = "26 1 254:3 / / rw,relatime shared:1 - ext4 /dev/vda3 rw"
AUTOFS = "356 26 0:45 / /mnt/lima-cidata rw,relatime shared:196 - autofs systemd-1 rw,timeout=0,direct"
SEED = "367 356 254:16 / /mnt/lima-cidata ro,relatime shared:202 - iso9660 /dev/vdb ro,nojoliet"


@pytest.mark.parametrize(
    ("mounts", "types"),
    [([ROOT], []), ([ROOT, SEED], ["iso9660"]), ([ROOT, AUTOFS, SEED], ["autofs", "iso9660"])],
)
def test_what_is_mounted_is_known_in_its_order(tmp_path: Path, mounts: list[str], types: list[str]) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text("\n".join(mounts) + "\n")
    assert cidata_disk.mounted_types(tmp_path) == types


def test_a_guest_without_a_place_for_it_is_left_alone(tmp_path: Path) -> None:
    cidata_disk.remount(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_guest_that_has_no_such_disk_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cidata_disk, "DEVICE", str(tmp_path / "none"))
    (tmp_path / cidata_disk.MOUNT_POINT).mkdir(parents=True)
    cidata_disk.remount(tmp_path)
