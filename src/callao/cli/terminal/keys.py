# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that are pressed while something is shown; each at once, without Enter."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import Any

_READ = 64
"""Bytes of a key; an arrow key sends three."""


class KeyPresses:
    """Reads keys from standard input where it is a terminal, whose settings are restored at the end.

    Ctrl-C stays the signal that it is. Windows has no such terminals, and anything else has no keys.
    """

    def __enter__(self) -> KeyPresses:
        self._settings: list[Any] | None = None
        if sys.platform != "win32" and sys.stdin.isatty():
            import termios
            import tty

            self._settings = termios.tcgetattr(sys.stdin.fileno())
            tty.setcbreak(sys.stdin.fileno())
        return self

    def wait(self, seconds: float) -> bytes:
        """The key that was pressed within ``seconds``; nothing where none was."""
        if self._settings is None:
            time.sleep(seconds)
            return b""
        import select

        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        return os.read(sys.stdin.fileno(), _READ) if ready else b""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if sys.platform != "win32" and self._settings is not None:
            import termios

            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._settings)
