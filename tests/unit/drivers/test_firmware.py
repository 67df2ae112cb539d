# SPDX-License-Identifier: GPL-3.0-or-later
"""UEFI firmware: found by QEMU's descriptors, its variables laid down whole."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from callao.drivers.qemu import firmware
from callao.drivers.qemu.firmware import Firmware, create_variables, find
from callao.errors import DriverError


def described(folder: Path, name: str, *, form: str = "raw", **changes: Any) -> Firmware:
    folder.mkdir(exist_ok=True)
    code, variables = folder / f"{name}.code", folder / f"{name}.vars"
    code.write_bytes(b"code")
    variables.write_bytes(b"vars")
    said = {
        "interface-types": ["uefi"],
        "mapping": {
            "device": "flash",
            "executable": {"filename": str(code), "format": form},
            "nvram-template": {"filename": str(variables), "format": form},
        },
        "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
        "features": ["acpi-s3"],
        **changes,
    }
    (folder / f"{name}.json").write_text(json.dumps(said))
    return Firmware(code, variables, form, form)


@pytest.fixture(autouse=True)
def _no_firmware_of_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firmware, "_KNOWN_PATHS", {})


def test_descriptors_count_by_name_and_secure_boot_is_passed_over(tmp_path: Path) -> None:
    described(tmp_path / "a", "10-secure", features=["secure-boot"])
    wanted = described(tmp_path / "a", "20-plain", form="qcow2")
    described(tmp_path / "a", "30-more")
    assert find("x86_64", "pc-q35-7.2", [tmp_path / "a"]) == wanted


def test_an_empty_descriptor_takes_a_firmware_away(tmp_path: Path) -> None:
    described(tmp_path / "system", "20-plain")
    (tmp_path / "admin").mkdir()
    (tmp_path / "admin" / "20-plain.json").write_text("")
    assert find("x86_64", "pc-q35-7.2", [tmp_path / "admin", tmp_path / "system"]) is None


@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_variables_are_laid_raw_and_of_their_own_size(tmp_path: Path, form: str) -> None:
    source, target = tmp_path / "vars", tmp_path / "own"
    subprocess.run(["qemu-img", "create", "-q", "-f", form, str(source), "528K"], check=True)
    create_variables(Firmware(tmp_path / "code", source, form, form), target)
    assert target.stat().st_size == 528 * 1024
    assert {path.name for path in tmp_path.iterdir()} == {"vars", "own"}


def test_variables_that_cannot_be_copied_leave_none(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="qemu-img"):
        create_variables(Firmware(tmp_path / "code", tmp_path / "gone"), tmp_path / "own")
    assert not (tmp_path / "own").exists()
