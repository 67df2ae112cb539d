# SPDX-License-Identifier: GPL-3.0-or-later
"""Output: data on stdout, as a table or one entry after another; messages on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from callao.cli.terminal.hints import with_flags
from callao.printable import printable

_COLOURS = {"red": 31, "green": 32, "yellow": 33}
"""See ECMA-48, SGR."""


def echo(text: str, *, err: bool = False, nl: bool = True, mark: str = "", fg: str = "") -> None:
    """The one way to the terminal: what others have put into ``text`` stays text, and talk is in our words.

    :param mark: goes before it, in the colour ``fg``. ``NO_COLOR`` is obeyed, see no-color.org; else there
        is colour where there is a terminal.
    """
    stream = sys.stderr if err else sys.stdout
    if fg and stream.isatty() and not os.environ.get("NO_COLOR"):
        mark = f"\x1b[{_COLOURS[fg]}m{mark}\x1b[0m"
    words = with_flags(text) if err else text
    line = mark + printable(words) + ("\n" if nl else "")
    try:
        stream.write(line)
    except UnicodeEncodeError:  # a locale that has not these characters
        stream.write(line.encode(stream.encoding, "backslashreplace").decode(stream.encoding))
    if err:
        stream.flush()


def tell(words: str, *, mark: str = "", fg: str = "") -> None:
    """Print a message to stderr."""
    echo(words, err=True, mark=mark, fg=fg)


def warn(words: str) -> None:
    """Print a warning to stderr."""
    tell(words, mark="! ", fg="yellow")


def warn_all(sentences: Iterable[str]) -> None:
    """Print several warnings."""
    for each in sentences:
        warn(each)


def failed(words: str) -> int:
    """Print an error to stderr; returns the exit status."""
    tell(words, mark="callao: ", fg="red")
    return 1


def show_table(rows: Sequence[Sequence[str]]) -> None:
    """The first row is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show_all(
    entries: Iterable[Mapping[str, Any]],
    form: str,
    renderer: Callable[[str], Callable[[Mapping[str, Any]], str]],
) -> None:
    """By ``form``: ``json``, one compact object a line; ``yaml``; else what ``renderer`` makes of it."""
    if form == "json":
        import json

        whole = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        for each in entries:
            echo(json.dumps(each, separators=(",", ":"), ensure_ascii=not whole))
    elif form == "yaml":
        from callao.config import dump

        for each in entries:
            echo("---\n" + dump(each), nl=False)
    else:
        render = renderer(form)
        for each in entries:
            echo(render(each))
