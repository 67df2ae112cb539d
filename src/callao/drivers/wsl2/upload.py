# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends a file to Windows by sftp(1), where its shell passes no bytes on to ``wsl.exe``."""

from __future__ import annotations

import contextlib
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from callao.drivers.wsl2.carrier import FILE, Remote
from callao.drivers.wsl2.places import folder_below, windows_path
from callao.drivers.wsl2.text import decode
from callao.errors import DriverError
from callao.system import die_with_parent

_SECONDS = 3600.0
_LONGEST = 300


@contextlib.contextmanager
def sent(carrier: Remote, file: Path) -> Iterator[str]:
    """The path of a copy on Windows, which is removed after.

    :raises DriverError: when it cannot be sent.
    """
    home = windows_path(carrier.disks_home)
    if home is None or not carrier.upload:
        raise DriverError(f"{FILE}: there is no upload to {carrier.where}, or no folder for it.")
    path = folder_below(home, f"import-{uuid.uuid4().hex}.tar")
    there = _sftp_path(path)
    try:
        _run(carrier, f"-mkdir {_sftp_path(home)}", f"put {_quoted(str(file))} {there}")
        yield path
    finally:
        with contextlib.suppress(DriverError):
            _run(carrier, f"-rm {there}")


def _run(carrier: Remote, *commands: str) -> None:
    try:
        done = subprocess.run(
            carrier.upload,
            input="".join(f"{each}\n" for each in commands).encode(),
            capture_output=True,
            timeout=_SECONDS,
            preexec_fn=die_with_parent(),
            check=False,
        )
    except OSError as error:
        raise DriverError(f"{carrier.upload[0]} cannot be started: {error.strerror or error}.") from error
    except subprocess.TimeoutExpired as error:
        message = f"{carrier.where}: a file could not be sent there by sftp within {_SECONDS:.0f} s."
        raise DriverError(message) from error
    if done.returncode != 0:
        said = " ".join(decode(done.stderr).split())[-_LONGEST:]
        raise DriverError(
            f"{carrier.where}: the image cannot be sent there by sftp: {said or 'it said nothing'}",
            hint="Have the folder of disks_home exist, and OpenSSH's sftp be on for that user.",
        )


def _sftp_path(path: str) -> str:
    """A path of Windows as OpenSSH's server has it: ``/C:/folder``."""
    return _quoted("/" + path.replace("\\", "/"))


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
