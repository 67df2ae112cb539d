# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of Windows, as Linux inside WSL has them: drives are mounted under /mnt. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from callao.errors import DriverError

HOME_VARIABLE = "CALLAO_WSL_HOME"

_WINDOWS = re.compile(r"(?P<drive>[A-Za-z]):[\\/](?P<rest>[^<>:\"|?*\0-\x1f]*)")
_MOUNTED = re.compile(r"/mnt/(?P<drive>[a-z])(?:/(?P<rest>[^<>:\"|?*\\\0-\x1f]*))?")
_APPS = re.compile(r"/mnt/(?P<drive>[a-z])/(?P<rest>Users/[^/:]+/AppData/Local)/Microsoft/WindowsApps/?")
"""WSL has the PATH of Windows at the end of its own, and this folder of the user's is on it."""


def is_on_drive(path: str) -> bool:
    """Whether a path of Linux is on a drive of Windows, which every distribution has mounted."""
    return _MOUNTED.fullmatch(path) is not None


def windows_path(path: str) -> str | None:
    r"""``C:\folder`` for itself, and for ``/mnt/c/folder``; None for a path that is neither."""
    found = _WINDOWS.fullmatch(path) or _MOUNTED.fullmatch(path)
    if found is None:
        return None
    parts = [each for each in re.split(r"[\\/]", found["rest"] or "") if each not in ("", ".")]
    if ".." in parts:
        return None
    return f"{found['drive'].upper()}:\\" + "\\".join(parts)


def mounted_path(path: str) -> str:
    """Where a distribution has a path of Windows."""
    drive, _, rest = path.partition(":\\")
    return f"/mnt/{drive.lower()}/" + rest.replace("\\", "/")


def disks_folder(environment: Mapping[str, str], distribution: str) -> str:
    """The folder of Windows for a distribution's disk.

    :raises DriverError: when none is known.
    """
    given = environment.get(HOME_VARIABLE, "")
    if given:
        home = windows_path(given)
        if home is None:
            raise DriverError(
                f"{HOME_VARIABLE}: {given!r} is not a folder on a drive of Windows.",
                hint=r"Allowed: a path such as C:\callao, or /mnt/c/callao.",
            )
        return folder_below(home, distribution)
    for entry in environment.get("PATH", "").split(":"):
        if found := _APPS.fullmatch(entry):
            rest = found["rest"].replace("/", "\\")
            return f"{found['drive'].upper()}:\\{rest}\\callao\\{distribution}"
    raise DriverError(
        "vmType: wsl2: no folder of Windows is known for the disks of distributions, because PATH has none "
        "of Windows.",
        hint=rf"Set {HOME_VARIABLE} to one, such as C:\callao.",
    )


def folder_below(home: str, name: str) -> str:
    return f"{home.rstrip(chr(92))}\\{name}"
