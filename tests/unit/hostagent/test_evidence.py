# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from callao.drivers.qemu.driver import QemuDriver
from callao.hostagent.boot import log_tails
from callao.instances import InstancePaths


def test_terminal_sequences_and_blank_lines_are_left_out(tmp_path: Path) -> None:
    log = tmp_path / "serial.log"
    log.write_bytes(b"\x1b[0;1;31mFAILED\x1b[0m to start\r\n\r\n\x00\x07ok \xff\n")
    assert log_tails.tail(log) == "FAILED to start\nok \ufffd"


def test_only_the_last_lines_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "serial.log"
    log.write_text("".join(f"line {number}\n" for number in range(100_000)))
    lines = log_tails.tail(log, 3).splitlines()
    assert lines == ["line 99997", "line 99998", "line 99999"]


def test_a_missing_log_is_no_evidence(tmp_path: Path) -> None:
    assert log_tails.machine_logs(QemuDriver().evidence(InstancePaths(tmp_path))) == ""


def test_each_log_is_named(tmp_path: Path) -> None:
    paths = InstancePaths(tmp_path)
    paths.qemu_log.write_text("qemu: no\n")
    paths.serial_log.write_text("Kernel panic\n")
    text = log_tails.machine_logs(QemuDriver().evidence(paths))
    assert text.index("QEMU") < text.index("qemu: no") < text.index("serial console") < text.index("panic")
