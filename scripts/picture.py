# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws what a terminal shows of commands that are really run.

usage: picture.py FILE.svg COMMAND...

Each command is one argument. It runs without a terminal, so that it tells lines; colours are asked for.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 110
"""Columns."""

_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""rich names fonts of a server: a page that is read offline does without."""


def main(target: Path, commands: list[str]) -> None:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for command in commands:
        console.print(Text(f"$ {command}", style="bold"))
        console.print(Text.from_ansi(said(shlex.split(command))))
    picture = console.export_svg(title=shlex.split(commands[0])[0])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_FONTS.sub("", picture), encoding="utf-8")


def said(argv: list[str]) -> str:
    """Both outputs, in the order in which they came.

    :raises subprocess.CalledProcessError: when it fails: a picture of that would be of no use.
    """
    environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "1", "COLUMNS": str(WIDTH)}
    done = subprocess.run(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, env=environment
    )
    return done.stdout.rstrip()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
