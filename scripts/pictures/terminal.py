# SPDX-License-Identifier: GPL-3.0-or-later
"""A pseudo-terminal, what it shows once a command has ended, and a drawing of that."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
from itertools import groupby
from pathlib import Path

import pyte
from pyte.screens import Char
from rich.console import Console
from rich.style import Style
from rich.text import Text

COLUMNS = 116
LINES = 400
"""More than any run shows, so that nothing scrolls away."""

_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""rich names fonts of a server: a page that is read offline does without."""
_COLOURS = {"default": None, "brown": "yellow"}
"""pyte's names where they are not rich's."""


def run(command: str, folder: Path, environment: dict[str, str]) -> Text:
    """Runs a line of shell in the folder; returns the prompt, the line, and all that is shown at the end.

    :raises subprocess.CalledProcessError: where the shell cannot be run.
    """
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        while said := _more(terminal):
            stream.feed(said)
    process.wait()
    return Text.assemble((f"$ {command}", "bold"), "\n", shown(screen))


def _more(terminal: io.RawIOBase) -> bytes:
    try:
        return terminal.read(65536) or b""
    except OSError:  # Linux's end of a pseudo-terminal that nobody has open any more
        return b""


def shown(screen: pyte.Screen) -> Text:
    rows = [[screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.lines)]
    lines = [Text.assemble(*_pieces(row)) for row in rows]
    for line in lines:
        line.rstrip()
    while lines and not lines[-1].plain:
        lines.pop()
    return Text("\n").join(lines)


def _pieces(row: list[Char]) -> list[tuple[str, Style]]:
    return [("".join(each.data for each in same), style) for style, same in groupby(row, _style)]


def _style(char: Char) -> Style:
    return Style(
        color=_colour(char.fg),
        bgcolor=_colour(char.bg),
        bold=char.bold,
        italic=char.italics,
        underline=char.underscore,
        reverse=char.reverse,
    )


def _colour(name: str) -> str | None:
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    return _COLOURS.get(name, name.replace("bright", "bright_"))


def draw(name: str, title: str, texts: list[Text]) -> str:
    """An SVG of a terminal's window, with colours of its own, for light pages and dark ones."""
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(
        Text("\n\n").join(texts), "\n", sep=""
    )  # below the last line, where its descenders would be cut
    return _FONTS.sub("", console.export_svg(title=title, unique_id=f"callao-{name}"))
