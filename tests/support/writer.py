# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine whose whole system is a boot sector that fills its disk: a guest that writes, in a second."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from callao.drivers.qemu.devices import Disk, Monitor
from callao.instances import InstancePaths

SIZE = 32 << 20
"""Bytes of its disk, which it writes once, in the order of their addresses; then it halts."""

_FIRST, _EACH = 2048, 64
"""The sector that it begins with, and how many it writes at a time."""


def sector() -> bytes:
    """x86 real mode: BIOS's extended write (int 0x13, function 0x43) until the disk's end."""
    packet_at = 0x7C40
    where = struct.pack("<H", packet_at + 8)
    code = b"".join((
        b"\x31\xc0\x8e\xd8\x8e\xd0\xbc\x00\x7c",  # ds = ss = 0, sp = 0x7c00
        b"\xbe" + struct.pack("<H", packet_at),  # si = packet
        b"\xb8\x00\x43\xcd\x13",  # write
        b"\x66\x83\x06" + where + bytes([_EACH]),  # packet.sector += 64
        b"\x66\x81\x3e" + where + struct.pack("<I", SIZE // 512),
        b"\x72\xe7",  # below: again
        b"\xf4\xeb\xfd",  # halt
    ))  # fmt: skip
    packet = struct.pack("<BBHHHQ", 16, 0, _EACH, 0x8000, 0, _FIRST)
    return code.ljust(0x40, b"\0") + packet + bytes(510 - 0x40 - len(packet)) + b"\x55\xaa"


def make_disk(path: Path) -> None:
    """A qcow2 that holds nothing but the sector."""
    raw = path.with_name(f"{path.name}.raw")
    raw.write_bytes(sector())
    subprocess.run(["truncate", "-s", str(SIZE), str(raw)], check=True)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(path)], check=True)
    raw.unlink()


def command_line(paths: InstancePaths) -> list[str]:
    parts = (Disk("disk", paths.disk, "qcow2", boot=True), Monitor(paths.qmp_sock))
    words = [word for part in parts for word in part.argv()]
    argv = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-m", "64", "-nodefaults"]
    return [*argv, "-display", "none", *words]


@contextmanager
def small_file_system(at: Path, size: int) -> Iterator[None]:
    """One of ``size`` bytes. Needs root."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "callao-test", str(at)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)
