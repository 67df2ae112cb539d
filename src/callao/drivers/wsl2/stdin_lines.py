# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m callao.drivers.wsl2.stdin_lines KIND PROGRAM…``: a program whose standard input is this one's,
in base64, each piece a line. ``KIND`` is ``whole`` or ``live``, as in
:class:`callao.drivers.wsl2.command_line.Stdin`.

PowerShell reads the standard input of what it starts itself, as text, and passes on whole lines.
"""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import sys

from callao.system import die_with_parent

_PIECE = 48 * 1024
"""A multiple of 3: where all pieces but the last are of this size, their lines are one text of base64."""


def encoded(data: bytes) -> bytes:
    """The lines for a standard input that is there already."""
    return b"".join(_line(data[at : at + _PIECE]) for at in range(0, len(data), _PIECE))


def _line(piece: bytes) -> bytes:
    return base64.b64encode(piece) + b"\n"


def _read_live(size: int) -> bytes:
    return os.read(0, size)


def main(argv: list[str]) -> int:
    read = _read_live if argv[0] == "live" else sys.stdin.buffer.read
    process = subprocess.Popen(argv[1:], stdin=subprocess.PIPE, preexec_fn=die_with_parent())
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        while piece := read(_PIECE):
            process.stdin.write(_line(piece))
            process.stdin.flush()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
