# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine code that the probe runs. Its sources are beside this file; a test assembles and compares
them.
"""

from __future__ import annotations

_X86_64 = bytes.fromhex(
    "fa31c08ed88ec08ed0bc007ce4920c02e69231c0bf0010b90028fcf3abc70600100320c70600200330c7060030830066"
    "b8001000000f22d80f20e06683c8200f22e066b9800000c00f32660d000100000f300f0116b87c0f20c0660d01000080"
    "0f22c0ea687c080066b800008ed88ed048c7c100e1f50548ffc975fb0f20d80f22d80f013c250050000031c031d231db"
    "31c9f0480fc70c25005000007504b02ae6f4f4ebfd0f1f00000000000000000000000000009a20000f00a87c"
)
_AARCH64 = bytes.fromhex("415fa0d2210400f1e1ffff54000180520080b072020000d400000014")

_DISK = 1 << 20
"""Bytes. SeaBIOS does not read a smaller disk."""


def boot_sector() -> bytes:
    """The content of a disk whose first sector is the x86_64 code."""
    return _X86_64.ljust(510, b"\0") + b"\x55\xaa" + bytes(_DISK - 512)


def kernel() -> bytes:
    """The aarch64 code for QEMU's ``-kernel``."""
    return _AARCH64
