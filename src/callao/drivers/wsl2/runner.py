# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of what runs ``wsl.exe``: a carrier that takes an argv to Windows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, BinaryIO, Protocol

MAX_OUTPUT = 1 << 20
"""Largest number of bytes of each output that an answer holds."""

ANSWER_SECONDS = 60.0
"""Default of the seconds for a command; the first one after Windows has started also starts WSL's VM."""


@dataclass(frozen=True)
class Answer:
    """How a program of Windows ended, and the bytes that it wrote."""

    status: int
    stdout: bytes
    stderr: bytes


class Runner(Protocol):
    """Runs a program of Windows for the user who owns the distributions."""

    def run(
        self,
        argv: Sequence[str],
        stdin: bytes | IO[bytes] = b"",
        *,
        stdout: BinaryIO | None = None,
        seconds: float = ANSWER_SECONDS,
        passes: Sequence[str] = (),
    ) -> Answer:
        """Run ``argv`` to its end.

        :param stdin: what the program reads: bytes, or an open file.
        :param stdout: an open file that gets the standard output, in place of the answer.
        :param passes: words of WSLENV: variables of Windows that a distribution gets.
        :raises DriverError: when the program cannot be started, does not end in time, or writes more than
            :data:`MAX_OUTPUT` bytes; it does not run any more then.
        """

    def tar(self, rootfs: BinaryIO) -> AbstractContextManager[tuple[str, IO[bytes] | bytes]]:
        """Have a tar be where ``wsl.exe`` can read it: its name for it, and the standard input for that.

        :raises DriverError: when it cannot be brought there.
        """
