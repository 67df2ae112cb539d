# SPDX-License-Identifier: GPL-3.0-or-later
"""The context of a command: LIMA_HOME, the host, the progress reporter."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callao.cli.terminal.messages import Dialect, message_style
from callao.cli.terminal.output import tell, warn, warn_all
from callao.host_basics import lima_home

if TYPE_CHECKING:
    from callao.events import Reporter
    from callao.host import Host

__all__ = ["CommonFlags", "Session", "session", "session_of", "tell", "warn", "warn_all"]

CommonFlags = dict[str, Any]
"""Flags that are common to all commands: ``debug``, ``tty`` and ``yes``, where they were given."""


_WITHOUT_YES = ("clone", "edit", "rename")
"""Commands for which limactl calls ``--yes`` deprecated."""


class Session:
    """One run of the command line.

    :param tty: whether somebody watches and can answer.
    :param debug: whether to tell what an engineer wants to know.
    """

    def __init__(self, home: Path, *, tty: bool, debug: bool = False) -> None:
        self.home = home
        self.tty = tty
        self.debug = debug
        self.dialect = message_style().dialect
        self.shows_provision_log = False
        """Whether a start shows the log of the guest's provision scripts, for ``--progress``."""
        self._closing = ExitStack()

    @cached_property
    def host(self) -> Host:
        from callao.host import Host

        return Host.detect()

    @property
    def can_ask(self) -> bool:
        """Whether somebody can answer a question: ``--tty`` alone does not make a pipe answer."""
        return self.tty and sys.stdin.isatty()

    @cached_property
    def report(self) -> Reporter:
        """The reporter that shows progress on stderr."""
        from callao.cli.terminal.progress import reporter

        return reporter(self.tty, self._closing.callback)

    def close(self) -> None:
        """Remove the progress display from the terminal."""
        self._closing.close()


def session_of(said: CommonFlags) -> Session:
    """From the environment and the flags of the command that runs."""
    tty = False if said.get("yes") else said.get("tty")
    watched = sys.stdin.isatty() and sys.stderr.isatty()
    return Session(lima_home(), tty=watched if tty is None else bool(tty), debug=bool(said.get("debug")))


def session() -> Session:
    """The session of the command that click runs."""
    import click

    context = click.get_current_context()
    said: CommonFlags = context.ensure_object(dict)
    begun = session_of(said)
    if said.get("yes") and begun.dialect is Dialect.LIMACTL and context.info_name in _WITHOUT_YES:
        warn(
            "--yes flag is deprecated (--tty=false is still supported and works in the same way. "
            "Also consider using --start)"
        )
    context.call_on_close(begun.close)
    return begun
