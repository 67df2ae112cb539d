# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver of a new instance whose lima.yaml names none: by the host, and by what the configuration needs.

It is written into the instance's lima.yaml, and never changes after. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from callao.config.schema import VMType
from callao.host import Host

_PREFERRED = {"windows": (VMType.WSL2,), "darwin": (VMType.VZ, VMType.QEMU)}
"""By the host's system; all others have QEMU alone. Only a user chooses krunkit."""

_LEAST_MACOS = (13, 5)
"""Before it, machines with UEFI did not run well, as Lima has it."""


@dataclass(frozen=True)
class Candidate:
    """``obstacle`` is why the driver is not chosen; empty when nothing is against it."""

    vm_type: VMType
    obstacle: str = ""


def candidates(document: Mapping[str, Any], host: Host) -> tuple[Candidate, ...]:
    """The host's drivers, the preferred one first: the first that nothing is against is chosen."""
    drivers = _PREFERRED.get(host.os, (VMType.QEMU,))
    return tuple(
        Candidate(each, _against_vz(document, host) if each is VMType.VZ else "") for each in drivers
    )


def default_vm_type(document: Mapping[str, Any], host: Host) -> str:
    """The one that is chosen."""
    return next(each.vm_type for each in candidates(document, host) if not each.obstacle).value


def others(document: Mapping[str, Any], host: Host, vm_type: VMType) -> str:
    """What there is to say of the host's drivers but one; empty where it has no other."""
    found = (each for each in candidates(document, host) if each.vm_type is not vm_type)
    return " ".join(
        f"vmType: {each.vm_type} was not chosen: {each.obstacle}."
        if each.obstacle
        else f"Another driver of this host: vmType: {each.vm_type}."
        for each in found
    )


def _against_vz(document: Mapping[str, Any], host: Host) -> str:
    if host.version and host.version < _LEAST_MACOS:
        have, need = (".".join(map(str, each)) for each in (host.version, _LEAST_MACOS))
        return f"it needs macOS {need}, and this host has {have}"
    arch = document.get("arch")
    if arch not in (None, "", "default", host.arch):
        return f"arch: {arch} is not this host's, which is {host.arch}, and vz emulates none"
    firmware = document.get("firmware")
    if isinstance(firmware, Mapping) and firmware.get("legacyBIOS"):
        return "firmware.legacyBIOS: vz boots by UEFI only"
    if document.get("mountType") == "9p":
        return "mountType: vz has no 9p"
    return ""
