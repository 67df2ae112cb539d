# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses a machine's accelerator and CPU model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from callao.config import Config
from callao.drivers.qemu.architectures import find_architecture
from callao.drivers.qemu.probe import probe
from callao.system import accelerator

_TCG = "tcg,thread=multi,tb-size=256"
"""The buffer for translated code is 256 MiB: the default is far larger, doubles QEMU's memory use, and is
not faster."""

_MITIGATIONS_OPTION = "mitigations="
"""See the kernel's Documentation/admin-guide/kernel-parameters.txt."""


@dataclass(frozen=True)
class Acceleration:
    """``option`` is for ``-accel``; ``notice`` is a message for the user about a slower choice, or empty."""

    option: str
    cpu: str
    notice: str = ""

    @property
    def emulated(self) -> bool:
        """Whether the CPU is emulated in software."""
        return self.option.startswith("tcg")

    def kernel_cmdline(self, cmdline: str) -> str:
        """The command line of a kernel that QEMU loads itself, with ``mitigations=off`` on an emulated CPU.

        An emulated CPU has no speculative execution: the kernel's mitigations cost time at each system call,
        and protect nothing. A ``mitigations=`` in the command line is kept.
        """
        if not self.emulated or not cmdline or _MITIGATIONS_OPTION in cmdline:
            return cmdline
        return f"{cmdline} {_MITIGATIONS_OPTION}off"


def choose_accelerator(
    config: Config, binary: str, version: str, host_arch: str, cache: Path
) -> Acceleration:
    """Hardware where it works, otherwise software emulation with a notice that says why."""
    arch = config.arch.value
    requested = config.vm_opts.qemu.cpu_type.get(arch) or config.cpu_type.get(arch) or ""
    hardware, unavailable = accelerator()
    if arch != host_arch:
        reason = f"the guest is {arch} and this host {host_arch}"
    elif unavailable:
        reason = unavailable
    else:
        verdict = probe(binary, hardware, arch, requested or "host", version, cache)
        if verdict.works:
            return Acceleration(hardware, requested or "host")
        reason = f"{hardware.upper()} does not work here: {verdict.reason}"
    notice = (
        f"the guest's CPU is emulated in software, several times slower than hardware, because {reason}."
    )
    if arch != host_arch and not config.plain:
        notice += " 'plain: true' spares it the programs that integrate it with this host."
    software_cpu = find_architecture(arch).software_cpu
    if requested.partition(",")[0] == "host":
        notice += f" cpuType {requested!r} exists in hardware only; {software_cpu} takes its place."
        requested = ""
    return Acceleration(_TCG, requested or software_cpu, notice)
