# SPDX-License-Identifier: GPL-3.0-or-later
"""A command that runs in the background periodically, and that nothing waits for."""

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO  # noqa: F401 (in a comment)

TIMEOUT = 20.0
"""Seconds after which the command is killed. kubectl waits while a cluster starts."""

RETRY_DELAY = 60.0
"""Seconds before a command that failed runs again. In most cases what it lists does not exist, and will not
exist soon."""

PAUSE = 4.0
"""The pause after which it runs again when its output is outdated, as a multiple of the time that it took,
so that it cannot use all of the CPU."""


class BackgroundCommand:
    """One command. Its output goes to an unnamed file, because a pipe that nobody reads would block it."""

    def __init__(
        self, command: "Sequence[str]", period: float, environment: "Mapping[str, str] | None" = None
    ) -> None:
        self._command = command
        self.period = period
        """Seconds after which it runs again."""
        self._environment = environment
        self._next_start = 0.0
        self._started = self._deadline = 0.0
        self._is_outdated = False
        self._earliest = 0.0
        self._process = None  # type: subprocess.Popen[bytes] | None
        self._file = None  # type: IO[bytes] | None

    @property
    def running(self) -> bool:
        """Whether the command runs now."""
        return self._process is not None

    @property
    def pending(self) -> bool:
        """Whether its next output is needed soon."""
        return self.running or self._is_outdated

    def outdate(self) -> None:
        """Run again soon: what the command lists has changed since it was started."""
        self._is_outdated = True

    def poll_output(self, now: float) -> "str | None":
        """Start the command if its period is over. Return its output once after it has ended ("" if it
        failed), and None at all other times.
        """
        if self._process is None:
            start = self._earliest if self._is_outdated else self._next_start
            return None if now < start or self._start(now) else ""
        code = self._process.poll()
        if code is None:
            if now >= self._deadline:
                self._process.kill()
            return None
        self._process = None
        self._next_start = now + (RETRY_DELAY if code else self.period)
        self._earliest = now + PAUSE * (now - self._started)
        text = self._read()
        return "" if code else text

    def _start(self, now: float) -> bool:
        self._next_start = self._earliest = now + RETRY_DELAY
        self._started, self._deadline, self._is_outdated = now, now + TIMEOUT, False
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed when it has been read)
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=self._file,
                stderr=subprocess.DEVNULL,
                env=self._environment,
            )
        except OSError:
            return False
        return True

    def _read(self) -> str:
        assert self._file is not None
        with self._file as file:
            self._file = None
            file.seek(0)
            return file.read().decode("utf-8", "replace")

    def close(self) -> None:
        """Kill the command if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
