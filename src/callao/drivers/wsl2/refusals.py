# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes an error of what ``wsl.exe`` says when it fails: by its error code, the same in all languages.

The names of the codes are those of Microsoft's source, src/windows/common/wslutil.cpp. An old release that
comes with Windows writes none, so a few texts in English are known, too. Pure.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass

from callao.drivers.wsl2.runner import Answer
from callao.drivers.wsl2.text import decode
from callao.errors import DriverError

_CODE = re.compile(r"\bWsl(?:/[A-Za-z0-9_]+)*/((?:0x[0-9a-fA-F]{8})|[A-Z][A-Z0-9_]+)\b")
"""As in ``Error code: Wsl/Service/WSL_E_DISTRO_NOT_FOUND``; the last part says what failed."""

_LONGEST = 300
"""Characters of the program's own words in a message."""


class Reason(enum.Enum):
    """Why ``wsl.exe`` failed, where something depends on it."""

    NONE_INSTALLED = enum.auto()
    NOT_FOUND = enum.auto()
    EXISTS = enum.auto()
    NO_SESSION = enum.auto()
    UNREACHABLE = enum.auto()
    OTHER = enum.auto()


class WslFailed(DriverError):
    """A command of ``wsl.exe`` that failed."""

    def __init__(self, message: str, *, reason: Reason, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


@dataclass(frozen=True)
class _Kind:
    reason: Reason
    hint: str
    codes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


SESSION_HINT = (
    "Distributions belong to one user of Windows: log in as that user. Releases of WSL from the Microsoft "
    "Store cannot be used in a session of a service, as those of ssh and WinRM are, nor by LocalSystem: "
    "install WSL's MSI package, 2.0 or newer, from github.com/microsoft/WSL/releases."
)

_KINDS = (
    _Kind(
        Reason.UNREACHABLE,
        "The Windows host cannot be logged in to: try ansible -m ansible.windows.win_ping HOST.",
        texts=(
            "ssh: connect to host",
            "ssh: Could not resolve hostname",
            "Permission denied (",
            "Host key verification failed",
            "Connection closed by",
            "Connection reset by",
            "kex_exchange_identification",
            "WinRM: ",
        ),
    ),
    _Kind(
        Reason.OTHER,
        "There is no wsl.exe on that user's PATH: Windows is too old, or the session has another PATH.",
        texts=("is not recognized as", "CommandNotFoundException"),
    ),
    _Kind(
        Reason.OTHER,
        "Install WSL: wsl.exe --install --no-distribution, or its MSI package, and restart Windows.",
        texts=("The Windows Subsystem for Linux is not installed", "until the system is rebooted"),
    ),
    _Kind(
        Reason.OTHER,
        "This WSL is too old: update it by wsl.exe --update, or install its MSI package, 2.0 or newer.",
        texts=("Copyright (c) Microsoft",),
    ),
    _Kind(
        Reason.NONE_INSTALLED,
        "",
        ("WSL_E_DEFAULT_DISTRO_NOT_FOUND",),
        ("has no installed distributions",),
    ),
    _Kind(
        Reason.NOT_FOUND,
        "Another program has unregistered it, or it is another user's.",
        ("WSL_E_DISTRO_NOT_FOUND",),
        ("There is no distribution with the supplied name",),
    ),
    _Kind(
        Reason.EXISTS,
        "Choose another name for the instance, or remove that one by 'wsl.exe --unregister'.",
        ("ERROR_ALREADY_EXISTS", "0x800700b7", "ERROR_FILE_EXISTS", "0x80070050"),
        ("A distribution with the supplied name already exists",),
    ),
    _Kind(
        Reason.NO_SESSION,
        SESSION_HINT,
        (
            "E_ACCESSDENIED",
            "0x80070005",
            "ERROR_CANT_ACCESS_FILE",
            "0x80070780",
            "WSL_E_LOCAL_SYSTEM_NOT_SUPPORTED",
            "ERROR_NO_SUCH_LOGON_SESSION",
        ),
        ("The file cannot be accessed by the system", "Access is denied"),
    ),
    _Kind(
        Reason.OTHER,
        "Turn on virtualization in the firmware, and install WSL2: wsl.exe --install --no-distribution",
        (
            "WSL_E_WSL_OPTIONAL_COMPONENT_REQUIRED",
            "WSL_E_VIRTUAL_MACHINE_PLATFORM_REQUIRED",
            "HCS_E_HYPERV_NOT_INSTALLED",
            "HCS_E_SERVICE_NOT_AVAILABLE",
            "0x80370102",
        ),
    ),
    _Kind(
        Reason.OTHER,
        "Free some space on the drive of CALLAO_WSL_HOME.",
        ("ERROR_DISK_FULL", "ERROR_HANDLE_DISK_FULL", "0x80070070", "0x80070027"),
    ),
    _Kind(
        Reason.OTHER,
        "The image has to be the tar of a root file system, with /etc and /bin/sh.",
        ("WSL_E_IMPORT_FAILED", "WSL_E_NOT_A_LINUX_DISTRO"),
    ),
    _Kind(
        Reason.OTHER,
        "A sparse disk cannot be enlarged: wsl.exe --manage NAME --set-sparse false",
        ("ERROR_VHD_INVALID_STATE", "0xc03a001a"),
        ("cannot be a sparse file",),
    ),
    _Kind(
        Reason.OTHER,
        "Another program uses it: try again when that has ended.",
        ("ERROR_SHARING_VIOLATION", "0x80070020", "WSL_E_DISTRO_NOT_STOPPED"),
    ),
    _Kind(
        Reason.OTHER,
        "The drive or folder of CALLAO_WSL_HOME does not exist on Windows.",
        ("ERROR_PATH_NOT_FOUND", "ERROR_FILE_NOT_FOUND", "0x80070002", "0x80070003"),
    ),
)


def failed(argv: Sequence[str], answer: Answer) -> WslFailed:
    """The error of a command that ended with another status than 0.

    :param argv: for the message; what follows ``--exec`` is left out.
    """
    said = f"{decode(answer.stdout)}\n{decode(answer.stderr)}"
    found = _kind(said)
    shown = list(argv[: argv.index("--exec")]) if "--exec" in argv else list(argv)
    words = " ".join(said.split())
    why = words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
    message = f"{' '.join(shown)} failed with status {answer.status}: {why or 'it wrote nothing'}"
    return WslFailed(message, reason=found.reason, hint=found.hint)


def _kind(said: str) -> _Kind:
    codes = set(_CODE.findall(said))
    by_code = next((each for each in _KINDS if codes.intersection(each.codes)), None)
    if by_code is not None:
        return by_code
    lowered = said.lower()
    by_text = (each for each in _KINDS if any(text.lower() in lowered for text in each.texts))
    return next(by_text, _Kind(Reason.OTHER, ""))
