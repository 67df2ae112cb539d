# SPDX-License-Identifier: GPL-3.0-or-later
"""Data on stdout: a table for people, or one entry after the other for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from callao.printable import printable


def echo(text: str, *, err: bool = False, nl: bool = True, mark: str = "", fg: str = "") -> None:
    """The one way to the terminal: what others have put into ``text`` stays text.

    :param mark: goes before it, in the colour ``fg``. ``NO_COLOR`` is obeyed, see no-color.org; else there
        is colour where there is a terminal.
    """
    color = False if os.environ.get("NO_COLOR") else None
    styled = click.style(mark, fg=fg) if fg else mark
    click.echo(styled + printable(text), err=err, nl=nl, color=color)


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
    """By ``form``: ``json``, one object a line; ``yaml``; else what ``renderer`` makes of it."""
    if form == "json":
        for each in entries:
            echo(json.dumps(each))
    elif form == "yaml":
        from callao.config import dump

        for each in entries:
            echo("---\n" + dump(each), nl=False)
    else:
        render = renderer(form)
        for each in entries:
            echo(render(each))
