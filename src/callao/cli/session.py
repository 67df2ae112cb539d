# SPDX-License-Identifier: GPL-3.0-or-later
"""What every command needs to know of its surroundings."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from callao.cli.output import echo
from callao.events import Reporter
from callao.host import Host, lima_home


@dataclass(frozen=True)
class Session:
    """One run of the command line; ``tty`` is whether somebody watches and can answer."""

    home: Path
    tty: bool

    @cached_property
    def host(self) -> Host:
        return Host.detect()

    @cached_property
    def report(self) -> Reporter:
        """Shows what happens, on stderr."""
        from callao.cli.progress import reporter

        return reporter(self.tty)


def session() -> Session:
    """From the environment and the flags of the command that runs."""
    said: dict[str, Any] = click.get_current_context().ensure_object(dict)
    tty = said.get("tty")
    watched = sys.stdin.isatty() and sys.stderr.isatty()
    return Session(lima_home(), watched if tty is None else bool(tty))


def tell(words: str, *, mark: str = "", fg: str = "") -> None:
    """Talk, as against data."""
    echo(words, err=True, mark=mark, fg=fg)


def warn(words: str) -> None:
    """Talk about what somebody should know, and that is no error."""
    tell(words, mark="! ", fg="yellow")
