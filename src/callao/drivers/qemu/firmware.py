# SPDX-License-Identifier: GPL-3.0-or-later
"""UEFI for a machine: found by the descriptors that QEMU's packages install, else at known places.

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
from callao.drivers.qemu import disk
from callao.drivers.qemu.architectures import ARCHITECTURES, architecture

DESCRIPTORS = (
    Path("/etc/qemu/firmware"),
    Path("/usr/share/qemu/firmware"),
    Path("/usr/local/share/qemu/firmware"),
    Path("/opt/homebrew/share/qemu/firmware"),
)
_PLACES = {arch.value: each.firmware for arch, each in ARCHITECTURES.items()}


def absence(arch: str) -> str:
    """What is lacking when :func:`find` finds none, and the remedy."""
    known = architecture(arch)
    package = known.firmware_package if known is not None else "qemu-efi"
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
    """The best UEFI without Secure Boot, whose keys would keep unsigned kernels from booting.

    A descriptor hides those of its name in later folders; an empty one so takes a firmware away.
    """
    by_name: dict[str, Path] = {}
    for folder in descriptors:
        for path in folder.glob("*.json"):
            by_name.setdefault(path.name, path)
    for name in sorted(by_name):
        found = _described(by_name[name], arch, machine)
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
        code, variables = mapping["executable"], mapping["nvram-template"]
        found = Firmware(
            Path(code["filename"]), Path(variables["filename"]), code["format"], variables["format"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.code.exists() and found.variables.exists() else None


def lay_variables(found: Firmware, target: Path) -> None:
    """Give a machine its own variables, raw: the guest writes them, so QEMU must never guess their format.

    Whole or not at all: QEMU refuses half a file at every later start.

    :raises DriverError: with qemu-img's own words.
    """
    make_file(target, partial(disk.convert_to_raw, found.variables, found.variables_format))
