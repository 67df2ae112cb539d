# SPDX-License-Identifier: GPL-3.0-or-later
"""The accelerator probe: its payload, its answers, its memory."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from callao.config import effective
from callao.drivers.qemu.accelerator import choose_accelerator
from callao.drivers.qemu.probe import payload, probe
from callao.drivers.qemu.probe.run import run_payload
from callao.host import Host, HostUser

HOST = Host("linux", "x86_64", 8, 16 * 2**30, HostUser("ann", 1001, "Ann", "/home/ann"), "")


def test_the_payload_is_its_source_assembled(tmp_path: Path) -> None:
    source = Path(payload.__file__).with_name("x86_64.S")
    code, linked = tmp_path / "code.o", tmp_path / "code.bin"
    subprocess.run(["as", "-o", str(code), str(source)], check=True)
    argv = ["ld", "-Ttext", "0x7c00", "--oformat", "binary", "-e", "_start", "-o", str(linked), str(code)]
    subprocess.run(argv, check=True)
    assert payload.boot_sector()[:512] == linked.read_bytes()


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_the_payload_runs_in_software(arch: str, tmp_path: Path) -> None:
    binary = shutil.which(f"qemu-system-{arch}")
    assert binary is not None, f"qemu-system-{arch} is not installed"
    assert run_payload(binary, "tcg", arch, "max", tmp_path / "a, b").works


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        (b"\xeb\xfe", "_CPU_LIMIT"),  # jmp .
        (b"\xfa\xf4", "_TIMEOUT"),  # cli; hlt
    ],
)
def test_code_that_never_ends_is_no_proof(
    code: bytes, limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = shutil.which("qemu-system-x86_64")
    assert binary is not None
    monkeypatch.setattr(
        "callao.drivers.qemu.probe.run.boot_sector",
        lambda: (code.ljust(510, b"\0") + b"\x55\xaa").ljust(1 << 20, b"\0"),
    )
    monkeypatch.setattr("callao.drivers.qemu.probe.run._TIMEOUT", 60.0)
    monkeypatch.setattr(f"callao.drivers.qemu.probe.run.{limit}", 1)
    verdict = run_payload(binary, "tcg", "x86_64", "max", tmp_path / "code")
    assert not verdict.works
    assert "did not come to its end" in verdict.reason


def test_qemus_refusal_is_the_reason(tmp_path: Path) -> None:
    binary = shutil.which("qemu-system-x86_64")
    assert binary is not None
    verdict = run_payload(binary, "hvf", "x86_64", "max", tmp_path / "code")
    assert not verdict.works
    assert "hvf" in verdict.reason


def counting(folder: Path) -> Path:
    """An emulator that notes each call and ends as the payload would."""
    program = folder / "qemu"
    program.write_text(f"#!/bin/sh\necho call >>{folder}/calls\nexit 85\n")
    program.chmod(0o755)
    return program


def test_the_answer_is_remembered_for_this_boot_and_this_qemu(tmp_path: Path) -> None:
    program, cache = counting(tmp_path), tmp_path / "cache" / "accel.json"
    for version in ("7.2", "7.2", "8.0"):
        assert probe(str(program), "kvm", "x86_64", "host", version, cache).works
    assert (tmp_path / "calls").read_text() == "call\n" * 2
    cache.write_text("torn")
    assert probe(str(program), "kvm", "x86_64", "host", "8.0", cache).works


def test_a_memory_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    cache = tmp_path / "accel.json"
    cache.mkdir()
    assert probe(str(counting(tmp_path)), "kvm", "x86_64", "host", "7.2", cache).works


def test_a_killed_run_takes_its_probe_along(tmp_path: Path) -> None:
    """A probe that hangs, as KVM's does on some hosts, must not spin for ever."""
    program = tmp_path / "qemu"
    program.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\nexec sleep 60\n")
    program.chmod(0o755)
    code = (
        "import sys; from pathlib import Path; from callao.drivers.qemu.probe.run import run_payload;"
        "run_payload(sys.argv[1], 'kvm', 'x86_64', 'host', Path(sys.argv[2]))"
    )
    argv = [sys.executable, "-c", code, str(program), str(tmp_path / "code")]
    with subprocess.Popen(argv) as run:
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip() != "")
        run.kill()
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not psutil.pid_exists(pid))


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_foreign_guest_is_emulated_and_told_why(tmp_path: Path) -> None:
    document = {"images": [{"location": "/x"}], "arch": "aarch64"}
    config = effective(document, HOST, name="web", instance_dir=Path("/h/web"))
    chosen = choose_accelerator(config, "qemu-system-aarch64", "7.2", "x86_64", tmp_path / "accel.json")
    assert chosen.option.startswith("tcg")
    assert "the guest is aarch64 and this host x86_64" in chosen.notice
    assert "'plain: true' spares it" in chosen.notice
    assert chosen.emulated


def test_the_cpu_that_was_asked_for_is_taken(tmp_path: Path) -> None:
    document = {
        "images": [{"location": "/x"}],
        "arch": "aarch64",
        "vmOpts": {"qemu": {"cpuType": {"aarch64": "max"}}},
    }
    config = effective(document, HOST, name="web", instance_dir=Path("/h/web"))
    assert choose_accelerator(config, "qemu-system-aarch64", "7.2", "x86_64", tmp_path / "a").cpu == "max"


def test_a_cpu_of_hardware_gives_way_in_software(tmp_path: Path) -> None:
    document = {"images": [{"location": "/x"}], "arch": "aarch64", "cpuType": {"aarch64": "host"}}
    config = effective(document, HOST, name="web", instance_dir=Path("/h/web"))
    chosen = choose_accelerator(config, "qemu-system-aarch64", "7.2", "x86_64", tmp_path / "a")
    assert chosen.cpu != "host"
    assert "cpuType 'host' exists in hardware only" in chosen.notice
