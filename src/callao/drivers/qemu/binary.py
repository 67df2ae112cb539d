# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds QEMU's programs on this host, and their versions."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess

from callao.drivers.qemu.architectures import find_architecture
from callao.errors import DriverError

OLDEST_VERSION = (6, 2)
"""The version of Ubuntu 22.04; older versions lack options that are used here."""


def find(arch: str) -> str | None:
    """The emulator for ``arch``; the environment's ``QEMU_SYSTEM_X86_64`` and the like override it, as in
    Lima.
    """
    program = _program(arch)
    configured = os.environ.get(_variable(program))
    return shutil.which(configured or program)


def not_found_message(arch: str) -> str:
    """The message, with a remedy, for when :func:`find` finds no emulator."""
    program = _program(arch)
    variable = _variable(program)
    if configured := os.environ.get(variable):
        return f"{variable}={configured} names no program: correct it, or unset it."
    return f"{program} is not on PATH: install it (Debian: {find_architecture(arch).package})."


def _program(arch: str) -> str:
    return f"qemu-system-{find_architecture(arch).program or arch}"


def _variable(program: str) -> str:
    return program.upper().replace("-", "_")


@functools.cache
def version(binary: str) -> tuple[int, ...]:
    """The version of a program, such as (7, 2, 22).

    :raises DriverError: when its output has no version.
    """
    result = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"version (\d+)\.(\d+)(?:\.(\d+))?", result.stdout)
    if match is None:
        raise DriverError(
            f"{binary} --version says no version: {result.stdout.strip() or result.stderr.strip()}"
        )
    return tuple(int(number) for number in match.groups() if number)
