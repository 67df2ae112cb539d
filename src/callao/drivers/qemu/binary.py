# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's programs on this host: where they are, and which version."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess

from callao.drivers.qemu.architectures import architecture
from callao.errors import DriverError

OLDEST = (6, 2)
"""Ubuntu 22.04's; older ones lack options that we use."""


def find(arch: str) -> str | None:
    """The emulator for ``arch``; ``QEMU_SYSTEM_X86_64`` and its like name one, as Lima has it."""
    named = os.environ.get(f"QEMU_SYSTEM_{arch.upper()}")
    return shutil.which(named) if named else shutil.which(f"qemu-system-{arch}")


def absence(arch: str) -> str:
    """What is lacking when :func:`find` finds none, and the remedy."""
    variable = f"QEMU_SYSTEM_{arch.upper()}"
    if named := os.environ.get(variable):
        return f"{variable}={named} names no program: correct it, or unset it."
    known = architecture(arch)
    package = known.package if known is not None else "qemu-system-misc"
    return f"qemu-system-{arch} is not on PATH: install it (Debian: {package})."


@functools.cache
def version(binary: str) -> tuple[int, ...]:
    """As in (7, 2, 22).

    :raises DriverError: when the program does not say.
    """
    done = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"version (\d+)\.(\d+)(?:\.(\d+))?", done.stdout)
    if match is None:
        raise DriverError(
            f"{binary} --version says no version: {done.stdout.strip() or done.stderr.strip()}"
        )
    return tuple(int(number) for number in match.groups() if number)
