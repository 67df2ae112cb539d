# SPDX-License-Identifier: GPL-3.0-or-later
"""UEFI for a machine: found by the descriptors that QEMU's packages install, else at known places.

See docs/interop/firmware.json in QEMU's sources.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DESCRIPTORS = (
    Path("/etc/qemu/firmware"),
    Path("/usr/share/qemu/firmware"),
    Path("/usr/local/share/qemu/firmware"),
    Path("/opt/homebrew/share/qemu/firmware"),
)
_PLACES = {
    "x86_64": (
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
        ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
        ("/opt/homebrew/share/qemu/edk2-x86_64-code.fd", "/opt/homebrew/share/qemu/edk2-i386-vars.fd"),
    ),
    "aarch64": (
        ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
        ("/opt/homebrew/share/qemu/edk2-aarch64-code.fd", "/opt/homebrew/share/qemu/edk2-arm-vars.fd"),
    ),
}
PACKAGE = {"x86_64": "ovmf", "aarch64": "qemu-efi-aarch64"}
"""The Debian package that has it."""


@dataclass(frozen=True)
class Firmware:
    """Two pflash images: code, shared and read-only, and the template of a machine's own variables."""

    code: Path
    variables: Path


def find(arch: str, machine: str, descriptors: Sequence[Path] = DESCRIPTORS) -> Firmware | None:
    """The best UEFI without Secure Boot, whose keys would keep unsigned kernels from booting."""
    for path in sorted(
        (each for folder in descriptors for each in folder.glob("*.json")), key=lambda each: each.name
    ):
        found = _described(path, arch, machine)
        if found is not None:
            return found
    for code, variables in _PLACES.get(arch, ()):
        if Path(code).exists() and Path(variables).exists():
            return Firmware(Path(code), Path(variables))
    return None


def _described(path: Path, arch: str, machine: str) -> Firmware | None:
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        mapping = said["mapping"]
        fits = any(
            target["architecture"] == arch
            and any(fnmatch.fnmatch(machine, pattern) for pattern in target["machines"])
            for target in said["targets"]
        )
        secure = {"secure-boot", "requires-smm", "enrolled-keys"} & set(said["features"])
        if not fits or secure or "uefi" not in said["interface-types"] or mapping["device"] != "flash":
            return None
        code, variables = (
            Path(mapping["executable"]["filename"]),
            Path(mapping["nvram-template"]["filename"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Firmware(code, variables) if code.exists() and variables.exists() else None
