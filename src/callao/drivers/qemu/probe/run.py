# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the probe, and caches its result.

``/dev/kvm`` may exist, open and create machines, and still not run a kernel: nested or para-virtual hosts
interpret a guest's kernel code, refuse a register, or hang. So a few hundred instructions that every kernel
runs first are executed. HVF on macOS is probed the same way; that has only been tested by its command line,
never on a Mac.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil

from callao.atomic import write_volatile
from callao.drivers.qemu.architectures import find_architecture
from callao.drivers.qemu.devices import escape_commas
from callao.drivers.qemu.probe.payload import boot_sector, kernel
from callao.system import die_with_parent

_TIMEOUT = 4.0
"""Seconds; hardware needs 0.1, software emulation 0.4."""

_CPU_LIMIT = 2
"""Seconds of CPU time: a guest that goes round in circles needs not be waited for longer."""

_SIGXCPU = 24
"""The signal of a process that reaches the limit, see signal(7); Python has no name for it on Windows."""

_ENDLESS = "a guest's 64-bit kernel code did not come to its end in time"


class Verdict(msgspec.Struct, frozen=True):
    """``reason`` is empty when it works, else a clause that follows "because"."""

    works: bool
    reason: str = ""


class _CachedVerdict(msgspec.Struct, frozen=True):
    key: str
    verdict: Verdict


def probe(binary: str, accelerator: str, arch: str, cpu: str, version: str, cache: Path) -> Verdict:
    """Run the payload, or return the cached result since this host booted.

    :param cache: the cache file; if it cannot be read or written, the payload is run each time.
    """
    key = f"{_boot_id()} {binary} {version} {accelerator} {arch} {cpu}"
    cached = _read_cache(cache)
    if cached is not None and cached.key == key:
        return cached.verdict
    verdict = run_payload(binary, accelerator, arch, cpu, cache.with_name(f"probe-{arch}.bin"))
    _write_cache(cache, _CachedVerdict(key, verdict))
    return verdict


def run_payload(binary: str, accelerator: str, arch: str, cpu: str, code: Path) -> Verdict:
    """Run the payload now.

    :param code: the file to which the payload is written for QEMU. It is always the same one, because a
    temporary file would be left behind when this process is killed.
    """
    works = find_architecture(arch).probe_exit_status
    if works is None:
        return Verdict(works=False, reason=f"there is no probe for {arch}")
    argv = [binary, "-accel", accelerator, "-cpu", cpu, "-m", "64", "-nodefaults", "-no-user-config"]
    argv += ["-display", "none", "-serial", "none", "-monitor", "none", *_machine(arch, code)]
    try:
        code.parent.mkdir(parents=True, exist_ok=True)
        write_volatile(code, boot_sector() if arch == "x86_64" else kernel())
        result = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
            preexec_fn=_confine(),
        )
    except subprocess.TimeoutExpired:
        return Verdict(works=False, reason=_ENDLESS)
    except OSError as error:
        return Verdict(works=False, reason=f"the probe cannot be run: {error}")
    if result.returncode == works:
        return Verdict(works=True)
    if result.returncode == -_SIGXCPU:
        return Verdict(works=False, reason=_ENDLESS)
    stderr_lines = result.stderr.strip().splitlines()
    return Verdict(
        works=False,
        reason=stderr_lines[0] if stderr_lines else f"QEMU ended with status {result.returncode}",
    )


def _confine() -> Callable[[], None] | None:
    """A ``preexec_fn`` that sets the limit, see setrlimit(2)."""
    bind = die_with_parent()
    if sys.platform == "win32" or bind is None:
        return bind
    import resource

    def confine() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_LIMIT, _CPU_LIMIT + 1))
        bind()

    return confine


def _machine(arch: str, code: Path) -> list[str]:
    if arch == "x86_64":
        # Without a lock: probes of two instances that start at once share the file, and none writes to it.
        disk = f"file={escape_commas(code)},format=raw,if=ide,file.locking=off"
        return ["-machine", "q35", "-drive", disk, "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
    return ["-machine", "virt", "-kernel", str(code)]


def _boot_id() -> str:
    """Identifies the host's boot: proc(5), /proc/sys/kernel/random/boot_id; on other systems the boot
    time.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(int(psutil.boot_time()))


def _read_cache(cache: Path) -> _CachedVerdict | None:
    try:
        return msgspec.json.decode(cache.read_bytes(), type=_CachedVerdict)
    except (OSError, msgspec.MsgspecError):
        return None


def _write_cache(cache: Path, verdict: _CachedVerdict) -> None:
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_volatile(cache, msgspec.json.encode(verdict))
    except OSError:
        return
