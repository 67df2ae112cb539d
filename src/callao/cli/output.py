# SPDX-License-Identifier: GPL-3.0-or-later
"""Data on stdout: a table for people, or one entry after the other for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click


def show_table(rows: Sequence[Sequence[str]]) -> None:
    """The first row is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show_all(
    entries: Iterable[Mapping[str, Any]],
    form: str,
    renderer: Callable[[str], Callable[[Mapping[str, Any]], str]],
) -> None:
    """By ``form``: ``json``, one object a line; ``yaml``; else what ``renderer`` makes of it."""
    if form == "json":
        for each in entries:
            click.echo(json.dumps(each))
    elif form == "yaml":
        from callao.config import dump

        for each in entries:
            click.echo("---\n" + dump(each), nl=False)
    else:
        render = renderer(form)
        for each in entries:
            click.echo(render(each))
