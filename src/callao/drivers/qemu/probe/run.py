# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe itself, and the memory of its answer.

``/dev/kvm`` may exist, open and create machines, and still run no kernel: nested or para-virtual hosts
interpret a guest's kernel code, refuse a register, or hang. So a few hundred instructions of what
every kernel does first are run for real. HVF on macOS is asked the same way; that has only been
run against its command line, never on a Mac.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import psutil

from callao.atomic import write_volatile
from callao.drivers.qemu.architectures import architecture
from callao.drivers.qemu.devices import escaped
from callao.drivers.qemu.probe.payload import boot_sector, kernel
from callao.system import die_with_parent

_PATIENCE = 4.0
"""Seconds; hardware needs 0.1, software emulation 0.4."""


class Verdict(msgspec.Struct, frozen=True):
    """``why`` is empty when it works, else a clause that follows "because"."""

    works: bool
    why: str = ""


class _Remembered(msgspec.Struct, frozen=True):
    key: str
    verdict: Verdict


def probe(binary: str, accelerator: str, arch: str, cpu: str, version: str, cache: Path) -> Verdict:
    """Run the payload, or recall what it showed since this host booted.

    :param cache: the file that remembers; one that cannot be read or written only costs time.
    """
    key = f"{_boot_id()} {binary} {version} {accelerator} {arch} {cpu}"
    remembered = _recall(cache)
    if remembered is not None and remembered.key == key:
        return remembered.verdict
    verdict = run_payload(binary, accelerator, arch, cpu, cache.with_name(f"probe-{arch}.bin"))
    _remember(cache, _Remembered(key, verdict))
    return verdict


def run_payload(binary: str, accelerator: str, arch: str, cpu: str, code: Path) -> Verdict:
    """Run the payload now.

    :param code: where the payload is written for QEMU to read. A place of its own, kept: a temporary file
        would stay behind whenever we are killed here, as QEMU itself would without ``die_with_parent``.
    """
    known = architecture(arch)
    if known is None:
        return Verdict(works=False, why=f"there is no probe for {arch}")
    argv = [binary, "-accel", accelerator, "-cpu", cpu, "-m", "64", "-nodefaults", "-no-user-config"]
    argv += ["-display", "none", "-serial", "none", "-monitor", "none", *_machine(arch, code)]
    try:
        code.parent.mkdir(parents=True, exist_ok=True)
        write_volatile(code, boot_sector() if arch == "x86_64" else kernel())
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
            preexec_fn=die_with_parent(),
        )
    except subprocess.TimeoutExpired:
        return Verdict(works=False, why="a guest's 64-bit kernel code did not come to its end in time")
    except OSError as error:
        return Verdict(works=False, why=f"the probe cannot be run: {error}")
    if done.returncode == known.probe_status:
        return Verdict(works=True)
    said = done.stderr.strip().splitlines()
    return Verdict(works=False, why=said[0] if said else f"QEMU ended with status {done.returncode}")


def _machine(arch: str, code: Path) -> list[str]:
    if arch == "x86_64":
        # Unlocked: the probes of two instances that start at once share the file, and none writes to it.
        disk = f"file={escaped(code)},format=raw,if=ide,file.locking=off"
        return ["-machine", "q35", "-drive", disk, "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
    return ["-machine", "virt", "-kernel", str(code)]


def _boot_id() -> str:
    """See proc(5), /proc/sys/kernel/random/boot_id; elsewhere the second in which the host booted."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(int(psutil.boot_time()))


def _recall(cache: Path) -> _Remembered | None:
    try:
        return msgspec.json.decode(cache.read_bytes(), type=_Remembered)
    except (OSError, msgspec.MsgspecError):
        return None


def _remember(cache: Path, answer: _Remembered) -> None:
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_volatile(cache, msgspec.json.encode(answer))
    except OSError:
        return
