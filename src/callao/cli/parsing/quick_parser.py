# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses plain command lines of quick commands without click, whose import takes longer than such a command.

Parses by the :class:`~callao.cli.parsing.syntax.Syntax`. For everything else (help, mistakes, combined
short flags, a value that begins with a dash) the result is None, and click parses the line.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

from callao.cli.command_table import ALIASES, COMMANDS
from callao.cli.parsing.syntax import Option, Syntax, UsageError
from callao.cli.session import CommonFlags, session_of
from callao.cli.terminal.messages import completion_variable, program_name
from callao.cli.terminal.output import failed

_COMMON = {
    "--debug": ("debug", True),
    "--tty": ("tty", True),
    "--tty=true": ("tty", True),
    "--tty=false": ("tty", False),
    "-y": ("yes", True),
    "--yes": ("yes", True),
}
"""Flags that are allowed before and after every command's name."""


class Line(NamedTuple):
    """A command to run: ``module`` holds it, ``parameters`` are its function's."""

    name: str
    module: Any
    parameters: dict[str, Any]


def parse_line(words: Sequence[str], flags: CommonFlags) -> Line | None:
    """The command that a line calls, where it is a quick one and the line is plain.

    :param flags: takes the flags that are common to all commands; only to be believed when there is a line.
    """
    if completion_variable() in os.environ:
        return None
    for place, word in enumerate(words):
        if _common(word, flags):
            continue
        name = ALIASES.get(word, word)
        if name not in COMMANDS or not COMMANDS[name].quick:
            return None
        module = import_module(f"callao.cli.commands.{COMMANDS[name].module}")
        parameters = parse_arguments(module.SYNTAX, words[place + 1 :], flags)
        return None if parameters is None else Line(name, module, parameters)
    return None


def run(line: Line, flags: CommonFlags) -> int:
    """Run the command; returns the process's exit status."""
    session = session_of(flags)
    try:
        result = line.module.run(session, **line.parameters)
    except UsageError as mistake:
        return failed(f"{mistake} See '{program_name()} {line.name} --help'.")
    finally:
        session.close()
    return result if isinstance(result, int) else 0


def parse_arguments(syntax: Syntax, words: Sequence[str], flags: CommonFlags) -> dict[str, Any] | None:
    """The parameters that a line gives; None when click has to look at it."""
    options = {name: each for each in syntax.options for name in each.names}
    found: dict[str, Any] = {each.parameter: _absent(each) for each in syntax.options}
    places: list[str] = []
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if word == "-" or not word.startswith("-"):
            places.append(word)
            if not syntax.interspersed:
                places += reversed(rest)
                break
        elif not _common(word, flags):
            name, equals, value = word.partition("=")
            option = options.get(name)
            if option is None:
                return None
            given = _value(option, value if equals else None, name, rest)
            if given is None:
                return None
            found[option.parameter] = (*found[option.parameter], given) if option.many else given
    return None if not _placed(syntax, places, found) else found


def _absent(option: Option) -> str | bool | tuple[str, ...] | None:
    """The value of an option that the line does not have."""
    if option.many:
        return ()
    return option.default if option.metavar else False


def _common(word: str, flags: CommonFlags) -> bool:
    if word not in _COMMON:
        return False
    key, value = _COMMON[word]
    known = flags.setdefault(key, value) == value
    return known and not {"tty", "yes"} <= set(flags)  # what contradicts itself is for click to judge


def _value(option: Option, value: str | None, name: str, rest: list[str]) -> str | bool | None:
    if not option.metavar:
        return True if value is None else None
    if value is None:
        value = rest.pop() if rest else "-"
        if value.startswith("-"):
            return None
    elif not name.startswith("--"):
        return None
    return None if option.allowed and value not in option.allowed else value


def _placed(syntax: Syntax, places: list[str], found: dict[str, Any]) -> bool:
    rest = list(places)
    for each in syntax.arguments:
        if each.required and not rest:
            return False
        if each.many:
            found[each.parameter], rest = tuple(rest), []
        else:
            found[each.parameter] = rest.pop(0) if rest else None
    return not rest
