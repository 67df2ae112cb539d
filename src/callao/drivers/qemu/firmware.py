# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds UEFI firmware for a machine by the descriptors that QEMU's packages install, otherwise at known
paths.

See docs/interop/firmware.json in QEMU's sources.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from callao.atomic import make_file
from callao.drivers.qemu.architectures import ARCHITECTURES, find_architecture
from callao.drivers.qemu.disks import qcow2

DESCRIPTORS = (
    Path("/etc/qemu/firmware"),
    Path("/usr/share/qemu/firmware"),
    Path("/usr/local/share/qemu/firmware"),
    Path("/opt/homebrew/share/qemu/firmware"),
)
_KNOWN_PATHS = {arch.value: each.firmware for arch, each in ARCHITECTURES.items()}


def not_found_message(arch: str) -> str:
    """The message, with a remedy, for when :func:`find` finds no firmware."""
    package = find_architecture(arch).firmware_package
    if not package:
        return (
            f"A guest of {arch} boots from a kernel that QEMU loads: give its image one, in images[].kernel "
            "and images[].initrd."
        )
    return f"There is no UEFI firmware for {arch}: install it (Debian: {package})."


@dataclass(frozen=True)
class Firmware:
    """Two pflash images: code, shared and read-only, and the template of a machine's own variables.

    The formats are QEMU's names; Fedora ships both files as qcow2.
    """

    code: Path
    variables: Path
    code_format: str = "raw"
    variables_format: str = "raw"


def find(arch: str, machine: str, descriptors: Sequence[Path] = DESCRIPTORS) -> Firmware | None:
    """The first suitable UEFI without Secure Boot, whose keys would keep unsigned kernels from booting.

    A descriptor overrides those of the same name in later folders; an empty one removes a firmware.
    """
    by_name: dict[str, Path] = {}
    for folder in descriptors:
        for path in folder.glob("*.json"):
            by_name.setdefault(path.name, path)
    for name in sorted(by_name):
        found = _from_descriptor(by_name[name], arch, machine)
        if found is not None:
            return found
    for code, variables in _KNOWN_PATHS.get(arch, ()):
        if Path(code).exists() and Path(variables).exists():
            return Firmware(Path(code), Path(variables))
    return None


def _from_descriptor(path: Path, arch: str, machine: str) -> Firmware | None:
    try:
        descriptor: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        mapping = descriptor["mapping"]
        matches = any(
            target["architecture"] == arch
            and any(fnmatch.fnmatch(machine, pattern) for pattern in target["machines"])
            for target in descriptor["targets"]
        )
        secure_boot = {"secure-boot", "requires-smm", "enrolled-keys"} & set(descriptor["features"])
        if (
            not matches
            or secure_boot
            or "uefi" not in descriptor["interface-types"]
            or mapping["device"] != "flash"
        ):
            return None
        code, variables = mapping["executable"], mapping["nvram-template"]
        found = Firmware(
            Path(code["filename"]), Path(variables["filename"]), code["format"], variables["format"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.code.exists() and found.variables.exists() else None


def create_variables(found: Firmware, target: Path) -> None:
    """Create a machine's own variables as a raw file: the guest writes them, so QEMU must not detect their
    format.

    The file is created atomically, because QEMU refuses a truncated one at every later start.

    :raises DriverError: with qemu-img's message.
    """
    make_file(target, partial(qcow2.convert_to_raw, found.variables, found.variables_format))
