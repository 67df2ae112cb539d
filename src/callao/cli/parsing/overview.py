# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of ``callao --help`` and ``--version``, printed without importing click or a command."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import callao
from callao.cli.command_table import ALIASES, COMMANDS
from callao.cli.terminal.messages import Dialect, message_style, program_name

_WIDEST, _NARROWEST = 78, 50
"""Columns, whatever the terminal has."""

_HEAD = """\
Usage: {program} [OPTIONS] COMMAND [ARGS]...

  Linux virtual machines on your own machine, described in lima.yaml.

  Begin with:  {program} start           (makes and starts the box "default")
               {program} shell default   (a shell in it)
"""

_OPTIONS = (
    ("--debug", "Show Python's traceback with an error, and the time that each stage of a stop takes."),
    ("--tty [=BOOL]", "Show progress bars and ask questions (default: on a terminal)."),
    ("-y, --yes", "The same as --tty=false."),
    ("--log-level LEVEL", "Show messages from this level on: debug, info, warn, error (default: info)."),
    ("--log-format FORMAT", "Write messages as text or json (default: text)."),
    ("-v, --version", "Show the version and exit."),
    ("-h, --help", "Show this message and exit."),
)


def version() -> str:
    """The program's version; for scripts that ask limactl, the version of Lima that it stands for."""
    if message_style().dialect is Dialect.LIMACTL:
        from callao.config.lima_version import LIMA_VERSION

        return f"limactl version {LIMA_VERSION}"
    return f"callao, version {callao.__version__}"


def text() -> str:
    """All commands by section, the external ones last."""
    from callao.cli.parsing import external

    parts = [_HEAD.format(program=program_name()), *_section("Options", _OPTIONS)]
    for section in dict.fromkeys(entry.section for entry in COMMANDS.values()):
        rows = [
            (", ".join((name, *entry.aliases)), entry.help)
            for name, entry in COMMANDS.items()
            if entry.section == section
        ]
        parts += _section(section, rows)
    found = [each for each in external.discover() if each.name not in COMMANDS | ALIASES]
    if found:
        parts += _section("External commands on PATH", [(each.name, each.description) for each in found])
    return "\n".join(parts).rstrip()


def _section(title: str, rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    left = max(len(name) for name, _ in rows) + 4
    yield f"{title}:"
    for name, words in rows:
        lines = list(_wrapped(words, _columns() - left)) or [""]
        yield (f"  {name}".ljust(left) + lines[0]).rstrip()
        yield from (" " * left + line for line in lines[1:])
    yield ""


def _wrapped(words: str, width: int) -> Iterator[str]:
    line = ""
    for word in words.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line:
        yield line


def _columns() -> int:
    said = os.environ.get("COLUMNS", "")
    try:
        columns = int(said) if said.isdigit() else os.get_terminal_size().columns - 2
    except OSError:  # no terminal
        columns = _WIDEST
    return max(_NARROWEST, min(columns, _WIDEST))
