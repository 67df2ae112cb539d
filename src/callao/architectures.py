# SPDX-License-Identifier: GPL-3.0-or-later
"""What an architecture is called, by lima.yaml's names; ``drivers/qemu`` and ``golden`` have more of each.

The program in the guest has its numbers of a system call itself, for it cannot import this. Quick to import.
"""

from __future__ import annotations

from typing import NamedTuple


class Names(NamedTuple):
    """``others`` are what kernels and other tools call it, ``debian`` what dpkg-architecture(1) does, and
    ``qemu`` what QEMU's user mode emulation does."""

    others: tuple[str, ...] = ()
    debian: str = ""
    qemu: str = ""


ARCHITECTURES = {
    "x86_64": Names(("amd64",), "amd64", "x86_64"),
    "aarch64": Names(("arm64",), "arm64", "aarch64"),
    "armv7l": Names(("armv6l", "armhf"), "armhf", "arm"),
    "ppc64le": Names((), "ppc64el", "ppc64le"),
    "riscv64": Names((), "riscv64", "riscv64"),
    "s390x": Names((), "s390x", "s390x"),
}


def lima_name(name: str) -> str:
    """lima.yaml's name of an architecture that somebody else names; itself where it is not known."""
    return next((known for known, names in ARCHITECTURES.items() if name in names.others), name)
