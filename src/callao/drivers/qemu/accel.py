# SPDX-License-Identifier: GPL-3.0-or-later
"""Which accelerator a machine gets, and with which CPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from callao.config import Config
from callao.drivers.qemu.architectures import architecture
from callao.drivers.qemu.probe import probe
from callao.system import accelerator

_TCG = "tcg,thread=multi,tb-size=256"
"""256 MiB of translated code: the default, far more, doubles QEMU's memory and gains nothing."""

_MITIGATIONS = "mitigations="
"""See the kernel's Documentation/admin-guide/kernel-parameters.txt."""


@dataclass(frozen=True)
class Acceleration:
    """``option`` is for ``-accel``; ``notice`` tells people what they lose, empty when nothing."""

    option: str
    cpu: str
    notice: str = ""

    @property
    def emulated(self) -> bool:
        """Whether the CPU is software."""
        return self.option.startswith("tcg")

    def cmdline(self, wanted: str) -> str:
        """The command line of a kernel that QEMU loads itself.

        An emulated CPU does not speculate as its model does: what a kernel does against that costs time at
        each system call, and keeps nobody out. A ``mitigations=`` that is there stays.
        """
        if not self.emulated or not wanted or _MITIGATIONS in wanted:
            return wanted
        return f"{wanted} {_MITIGATIONS}off"


def choose(config: Config, binary: str, version: str, host_arch: str, cache: Path) -> Acceleration:
    """Hardware where it works, software where it doesn't, and why."""
    arch = config.arch.value
    asked = config.vm_opts.qemu.cpu_type.get(arch) or config.cpu_type.get(arch) or ""
    hardware, absent = accelerator()
    if arch != host_arch:
        why = f"the guest is {arch} and this host {host_arch}"
    elif absent:
        why = absent
    else:
        verdict = probe(binary, hardware, arch, asked or "host", version, cache)
        if verdict.works:
            return Acceleration(hardware, asked or "host")
        why = f"{hardware.upper()} does not work here: {verdict.why}"
    notice = f"the guest's CPU is emulated in software, several times slower than hardware, because {why}."
    known = architecture(arch)
    software = known.software_cpu if known is not None else "max"
    if asked.partition(",")[0] == "host":
        notice += f" cpuType {asked!r} exists in hardware only; {software} takes its place."
        asked = ""
    return Acceleration(_TCG, asked or software, notice)
