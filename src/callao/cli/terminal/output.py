# SPDX-License-Identifier: GPL-3.0-or-later
"""Output: data on stdout, as a table or one entry after another; messages on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TextIO

from callao.cli.terminal.hints import with_flags
from callao.cli.terminal.messages import Dialect, Form, Level, log_entry, message_style
from callao.printable import printable

_COLOURS = {"red": 31, "green": 32, "yellow": 33}
"""See ECMA-48, SGR."""


def echo(text: str, *, nl: bool = True) -> None:
    """The one way to stdout: what others have put into ``text`` stays text."""
    _write(sys.stdout, printable(text) + ("\n" if nl else ""))


def tell(words: str, *, level: Level = Level.INFO, mark: str = "", fg: str = "") -> None:
    """Print a message to stderr, in the style of this run.

    :param mark: goes before a sentence, in the colour ``fg``. ``NO_COLOR`` is obeyed, see no-color.org; else
        there is colour where there is a terminal.
    """
    style = message_style()
    if level > style.lowest:
        return
    stream = sys.stderr
    if style.dialect is Dialect.LIMACTL:
        from callao.cli.terminal.phrases import limactl_phrase

        words = limactl_phrase(words)
    else:
        words = with_flags(words)
    if style.form is Form.SENTENCE:
        if fg and stream.isatty() and not os.environ.get("NO_COLOR"):
            mark = f"\x1b[{_COLOURS[fg]}m{mark}\x1b[0m"
        line = mark + printable(words)
    else:
        line = log_entry(printable(words).lstrip(" "), level, style.form, terminal=stream.isatty())
    _write(stream, line + "\n")
    stream.flush()


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:  # a locale that has not these characters
        stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))


def warn(words: str) -> None:
    """Print a warning to stderr."""
    tell(words, level=Level.WARNING, mark="! ", fg="yellow")


def warn_all(sentences: Iterable[str]) -> None:
    """Print several warnings."""
    for each in sentences:
        warn(each)


def failed(words: str) -> int:
    """Print an error to stderr; returns the exit status."""
    tell(words, level=Level.FATAL, mark="callao: ", fg="red")
    return 1


def show_table(rows: Sequence[Sequence[str]]) -> None:
    """The first row is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show_values(values: Iterable[Any], form: str) -> None:
    """Values as ``json``, one a line, or as ``yaml`` documents; indented and in colour on a terminal.

    A string that is no part of a larger value is printed as it is.
    """
    from callao.cli.terminal.coloured import coloured_json, in_colour

    colour = in_colour()
    for each in values:
        if isinstance(each, str):
            echo(each)
        elif form == "json" and colour:
            _write(sys.stdout, coloured_json(_printable(each)) + "\n")
        elif form == "json":
            import json

            whole = sys.stdout.encoding.lower().replace("-", "") == "utf8"
            echo(json.dumps(each, separators=(",", ":"), ensure_ascii=not whole))
        else:
            from callao.config.yamltext import dump_value

            show_yaml(("---\n" if isinstance(each, Mapping) else "") + dump_value(each))


def show_yaml(text: str) -> None:
    """A YAML text that has its last newline, in colour on a terminal."""
    from callao.cli.terminal.coloured import coloured_yaml, in_colour

    _write(sys.stdout, coloured_yaml(printable(text)) if in_colour() else printable(text))


def _printable(value: Any) -> Any:
    """The value with all its texts without control characters."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(str(key)): _printable(each) for key, each in value.items()}
    return [_printable(each) for each in value] if isinstance(value, list | tuple) else value


def show_all(
    entries: Iterable[Mapping[str, Any]],
    form: str,
    renderer: Callable[[str], Callable[[Mapping[str, Any]], str]],
) -> None:
    """By ``form``: ``json`` and ``yaml`` as :func:`show_values`; else what ``renderer`` makes of it."""
    if form in ("json", "yaml"):
        show_values(entries, form)
    else:
        render = renderer(form)
        for each in entries:
            echo(render(each))
