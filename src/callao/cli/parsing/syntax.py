# SPDX-License-Identifier: GPL-3.0-or-later
"""The options and arguments of a quick command, declared once.

:mod:`callao.cli.parsing.quick_parser` parses lines by them. :mod:`callao.cli.parsing.quick_command` makes a
command of click of them, for help, completion and error messages.
"""

from __future__ import annotations

from typing import NamedTuple


class UsageError(Exception):
    """Options or arguments that do not go together; the text says which, and what is allowed."""


class Option(NamedTuple):
    """A flag, or with ``takes`` an option that has a value."""

    parameter: str
    names: tuple[str, ...]
    help: str
    metavar: str = ""
    """The metavariable of the value in the help."""
    default: str | None = None
    allowed: tuple[str, ...] = ()
    """The values, where they are few; the default is then shown."""
    many: bool = False
    """Whether it may be given more than once; its values are a tuple then."""
    hidden: bool = False
    """Whether the help leaves it out."""


class Argument(NamedTuple):
    """A place in the line; the last one may be for ``many``."""

    parameter: str
    shown: str | None = None
    """Its name in the help, where that is not the parameter's name."""
    complete: str = ""
    """The function of :mod:`callao.cli.arguments.complete` that a shell asks."""
    required: bool = False
    many: bool = False


class Syntax(NamedTuple):
    """One command. ``interspersed`` is whether options may stand after the first argument."""

    name: str
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...]
    interspersed: bool = True
