# SPDX-License-Identifier: GPL-3.0-or-later
"""vfkit's ``--bootloader`` and its older three flags: from pkg/config/bootloader.go at b2bc27e5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from verdict import Refusal
from vfkit_options import Option, options, unknown, without_quotes

KINDS = {
    "efi": {"variable-store": "efiVariableStorePath", "create": "createVariableStore"},
    "linux": {"kernel": "vmlinuzPath", "cmdline": "kernelCmdLine", "initrd": "initrdPath"},
    "macos": {each: each for each in ("machineIdentifierPath", "hardwareModelPath", "auxImagePath")},
}
"""By kind: its options, and what they are called in the JSON of ``GET /vm/inspect``."""


def boot(legacy: Sequence[str], pieces: Sequence[str]) -> dict[str, Any]:
    """``legacy``: kernel, initrd and command line; ``pieces``: those of ``--bootloader``."""
    if any(legacy):
        kernel, initrd, cmdline = legacy
        names = {"vmlinuzPath": kernel, "kernelCmdLine": cmdline, "initrdPath": initrd}
        return {"kind": "linuxBootloader", **names}
    if not pieces:
        raise Refusal("no bootloader given")
    kind = pieces[0]
    if kind not in KINDS:
        raise Refusal("bootloader is none of efi, linux, macos")
    values: dict[str, Any] = dict.fromkeys(KINDS[kind].values(), "")
    if kind == "efi":
        values["createVariableStore"] = False
    for option in options(pieces[1:]):
        if option.key not in KINDS[kind]:
            raise unknown(f"the {kind} bootloader")
        values[KINDS[kind][option.key]] = _value(option)
    return values if kind == "macos" else {"kind": f"{kind}Bootloader", **values}


def _value(option: Option) -> str | bool:
    if option.key == "create":
        return option.word()
    return without_quotes(option.value) if option.key == "cmdline" else option.value
