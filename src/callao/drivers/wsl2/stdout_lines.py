# SPDX-License-Identifier: GPL-3.0-or-later
"""Has a command of the guest write lines of base64, for a way to Windows that passes on lines of text alone.

A pipeline of PowerShell reads what a program writes as text in the code page of Windows, and turns each line
of standard error into an error record. Pure.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

_WIDTH = 60000
"""Characters of a line: each line is a message. A multiple of 4, so that each line is whole."""

_MARK = "!"
"""The line between the standard output and the standard error. It is no base64."""

_SCRIPT = f"""\
exec 3>&1
s=$(
  {{
    {{ {{ "$@" 3>&- 9>&-; echo $? >&9; }} | base64 -w {_WIDTH} >&3; }} 2>&1 >/dev/null |
      {{ e=$(base64 -w {_WIDTH}); printf '{_MARK}\\n%s\\n' "$e" >&3; }}
  }} 9>&1
)
exit "$s"
"""
"""The last command of the pipeline ends after the first base64, which has the pipe as its standard error."""


def framed(argv: Sequence[str]) -> list[str]:
    """The argv that runs ``argv`` in the guest, with its standard input and status."""
    return ["/bin/sh", "-c", _SCRIPT, "sh", *argv]


def unframed(data: bytes) -> tuple[bytes, bytes] | None:
    """The standard output and error of the command; None when it was not run: wsl.exe wrote this."""
    lines = data.split()
    if lines.count(_MARK.encode()) != 1:
        return None
    at = lines.index(_MARK.encode())
    try:
        out, errors = (
            base64.b64decode(b"".join(part), validate=True) for part in (lines[:at], lines[at + 1 :])
        )
    except binascii.Error:
        return None
    return out, errors
