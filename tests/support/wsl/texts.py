# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program prints, in English and, as an old release that comes with Windows, in German."""

from __future__ import annotations

import os
import sys

MODE = "CALLAO_STAND_IN_WSL_MODE"
"""``new`` (default), ``2.4``, ``old``: localised, UTF-16 always, no ``--version``, ``session0``: nothing
works, ``sparse``: disks of distributions are sparse, ``stub``: WSL is not installed, ``rebooting``: not yet,
or ``missing``: there is no such program, in Russian."""

FAILED = 255
"""-1, as Linux and ssh see it."""

_CODED = {
    "WSL_E_DISTRO_NOT_FOUND": "There is no distribution with the supplied name.",
    "ERROR_ALREADY_EXISTS": "A distribution with the supplied name already exists. "
    "Use --name to choose a different name.",
    "E_ACCESSDENIED": "Access is denied.",
    "WSL_E_NOT_A_LINUX_DISTRO": "The imported file is not a valid Linux distribution.",
    "WSL_E_DISTRO_NOT_STOPPED": "The operation cannot be completed because the distribution is running.",
    "E_INVALIDARG": "The parameter is incorrect.",
    "ERROR_PATH_NOT_FOUND": "The system cannot find the path specified.",
}
_GERMAN = {
    "WSL_E_DISTRO_NOT_FOUND": "Es ist keine Distribution mit dem angegebenen Namen vorhanden.",
    "ERROR_ALREADY_EXISTS": "Eine Distribution mit dem angegebenen Namen ist bereits vorhanden.",
    "E_ACCESSDENIED": "Zugriff verweigert.",
    "E_INVALIDARG": "Falscher Parameter.",
}
_NONE = (
    "Windows Subsystem for Linux has no installed distributions.\n"
    "You can resolve this by installing a distribution with the instructions below:\n\n"
    "Use 'wsl.exe --list --online' to list available distributions\n"
    "and 'wsl.exe --install <Distro>' to install.\n"
)
"""Without a line "Error code:", as the program leaves it out for this one."""

_STATES = {"Stopped": "Beendet", "Running": "Wird ausgeführt", "Installing": "Wird installiert"}


class Failed(Exception):
    """The program ends with its status for failures, having printed this."""


def is_old() -> bool:
    return os.environ.get(MODE) == "old"


def not_found(name: str) -> bytes:
    """By cmd, in its code page."""
    said = f'"{name}" не является внутренней или внешней\r\nкомандой, исполняемой программой.\r\n'  # noqa: RUF001
    return said.encode("cp866")


_STUBS = {
    "session0": "The file cannot be accessed by the system.\n",
    "stub": "The Windows Subsystem for Linux is not installed. You can install by running "
    "'wsl.exe --install'.\n",
    "rebooting": "The requested operation is successful. Changes will not be effective until the system is "
    "rebooted.\n",
}


def stub() -> str:
    """What it says where nothing works; empty otherwise."""
    return _STUBS.get(os.environ.get(MODE, ""), "")


def is_before_2_5() -> bool:
    return os.environ.get(MODE) in ("2.4", "old")


def is_sparse() -> bool:
    return os.environ.get(MODE) == "sparse"


def error(code: str, service: str = "Service") -> Failed:
    if is_old():
        return Failed(f"{_GERMAN.get(code, _GERMAN['E_INVALIDARG'])}\n")
    return Failed(f"{_CODED[code]}\nError code: Wsl/{service}/{code}\n")


def none_installed() -> Failed:
    if is_old():
        return Failed("Das Windows-Subsystem für Linux hat keine installierten Distributionen.\n")
    return Failed(_NONE)


def table(rows: list[tuple[str, str]]) -> str:
    """``--list --verbose``: the first one is the default."""
    width = max(4, *(len(name) for name, _ in rows)) + 4
    head = ("NAME", "STATUS" if is_old() else "STATE", "VERSION")
    lines = [f"  {head[0]:<{width}}{head[1]:<16}{head[2]}\n"]
    for index, (name, state) in enumerate(rows):
        shown = _STATES.get(state, state) if is_old() else state
        lines.append(f"{'*' if index == 0 else ' '} {name:<{width}}{shown:<16}2\n")
    return "".join(lines)


def write(text: str, *, cut: bool = False) -> None:
    """To the standard output, in the program's encoding.

    :param cut: leave the last unit of UTF-16 half.
    """
    passed = {each.partition("/")[0] for each in os.environ.get("WSLENV", "").split(":")}
    utf8 = os.environ.get("WSL_UTF8") == "1" and "WSL_UTF8" in passed and not is_old() and not cut
    data = text.replace("\n", "\r\n").encode("utf-8" if utf8 else "utf-16-le")
    sys.stdout.buffer.write(data[:-1] if cut else data)
    sys.stdout.buffer.flush()
