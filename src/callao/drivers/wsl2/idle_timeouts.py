# SPDX-License-Identifier: GPL-3.0-or-later
r"""Sets idle time-outs in ``%UserProfile%\.wslconfig``, through a distribution of an instance.

No program of Windows but ``wsl.exe`` has a part in it: a distribution sees the file on its drive, and the
user's folder is told to it by WSLENV.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from callao.drivers.wsl2.carrier import HERE, Carrier, carrier_for
from callao.drivers.wsl2.distribution import some_distribution
from callao.drivers.wsl2.text import decode
from callao.drivers.wsl2.wsl_exe import Wsl
from callao.drivers.wsl2.wslconfig import INSTANCE_IDLE, VM_IDLE, Key, with_values
from callao.errors import ConfigError, DriverError, Problem

PASSED = ("USERPROFILE/up",)
"""WSLENV's word for the user's folder, as a path of Linux and from Windows to Linux alone."""

_FILE = "${USERPROFILE:?WSL has not passed it on}/.wslconfig"
_READ = f'printf "%s\\n" "{_FILE}"; test ! -e "{_FILE}" || cat "{_FILE}"'
_WRITE = f"""\
set -e
file="{_FILE}"
cat >"$file.callao-new"
test ! -e "$file" || cp "$file" "$file.$1"
mv "$file.callao-new" "$file"
"""
_LONGEST = 1 << 16
_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Outcome:
    """``backup`` is empty where there was no file, or nothing was changed."""

    changed: bool
    path: str
    before: str
    after: str
    backup: str
    shut_down: bool


def ensure_idle_timeouts(
    home: Path, *, vm: int | None, instance: int | None, shutdown: bool, check: bool
) -> Outcome:
    """Have the file of the Windows of a LIMA_HOME have these values.

    :param vm: milliseconds, or -1 for never, as for ``instance``; None leaves what is there.
    :param shutdown: have a change take effect at once, by the end of all distributions of that user.
    :raises ConfigError: for a value that WSL does not take.
    :raises DriverError: when that cannot be.
    """
    values = _checked({"vm_idle_timeout": (VM_IDLE, vm), "instance_idle_timeout": (INSTANCE_IDLE, instance)})
    carrier = carrier_for(home)
    if shutdown and carrier is HERE:
        raise DriverError(
            "shutdown: true: 'wsl.exe --shutdown' would end the Linux that Callao runs in (allowed: false).",
            hint="Run it in a terminal of Windows when nothing is at work.",
        )
    wsl, name = _reader(home, carrier)
    first, _, before = _run(wsl, name, _READ).partition(b"\n")
    path = decode(first)
    if len(before) > _LONGEST:
        raise DriverError(f"{path} has {len(before)} bytes, and is no .wslconfig (allowed: {_LONGEST}).")
    after = with_values(before, values)
    if after == before:
        return Outcome(False, path, decode(before), decode(after), "", shut_down=False)
    suffix = time.strftime("%Y%m%dT%H%M%SZ.bak", time.gmtime())
    backup = f"{path}.{suffix}" if before else ""
    if not check:
        _run(wsl, name, _WRITE, suffix, given=after)
        if shutdown:
            wsl.shut_down()
    return Outcome(True, path, decode(before), decode(after), backup, shut_down=shutdown)


def _checked(given: Mapping[str, tuple[Key, int | None]]) -> dict[Key, int]:
    values = {key: value for key, value in given.values() if value is not None}
    wrong = [
        Problem(option, value, "is no number of milliseconds", f"-1 for never, or 0 to {_LARGEST}")
        for option, (_, value) in given.items()
        if value is not None and not -1 <= value <= _LARGEST
    ]
    if wrong:
        raise ConfigError(wrong)
    return values


def _reader(home: Path, carrier: Carrier) -> tuple[Wsl, str]:
    """:raises DriverError: when there is none."""
    found = some_distribution(home)
    if found is not None:
        return found.wsl, found.name
    on = f" on {carrier.where}" if carrier.where else ""
    raise DriverError(
        f".wslconfig is read and written through a distribution, and no instance{on} has one.",
        hint="Start an instance of vmType wsl2 there first.",
    )


def _run(wsl: Wsl, name: str, script: str, *words: str, given: bytes = b"") -> bytes:
    answer = wsl.execute(name, ["/bin/sh", "-c", script, "sh", *words], given, passes=PASSED)
    return answer.stdout
