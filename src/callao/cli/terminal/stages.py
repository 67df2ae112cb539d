# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows what a quick command waits for: a live line, and the time of each stage with ``--debug``."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType

from callao.cli.session import Session
from callao.cli.terminal.output import tell

_CLEAR = "\r\x1b[K"
"""Back to the line's begin, and erase it: see ECMA-48, EL."""


class Stages:
    """Shows ``what`` on a terminal while the block runs; nothing of it stays."""

    def __init__(self, run: Session, what: str) -> None:
        self._debug = run.debug
        self._live = run.tty and not run.debug and os.environ.get("TERM") != "dumb"
        self._what = what
        self._began = self._last = time.monotonic()

    def passed(self, stage: str) -> None:
        """With ``--debug``, prints the time of the stage that has just ended."""
        now = time.monotonic()
        if self._debug:
            tell(f"{self._what}: {stage}: {now - self._last:.3f} s, {now - self._began:.3f} s in all")
        self._last = now

    def __enter__(self) -> Stages:
        if self._live:
            sys.stderr.write(f"  {self._what}")
            sys.stderr.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
