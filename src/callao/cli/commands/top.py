# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao top``: what instances do and use, as a table that is renewed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

import click

from callao.cli.arguments import complete
from callao.cli.parsing.options import Command
from callao.cli.session import session
from callao.cli.terminal.output import show_table
from callao.instances.status import existing_paths
from callao.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

    from callao.cli.monitored import Monitor, Usage

_SAMPLE_SECONDS = 0.5
"""Seconds over which CPU use is measured for a table that is printed once."""

_COLOURS = {"Running": "green", "Paused": "yellow", "Broken": "red", "Stopped": "dim"}

_ESCAPE = b"\x1b"
"""Begins what a key without a character sends, such as an arrow."""


@click.command("top", cls=Command)
@click.argument("instances", nargs=-1, metavar="[INSTANCE]...", shell_complete=complete.instances)
@click.option("--once", is_flag=True, help="Print one table and exit.")
@click.option("--interval", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True,
              metavar="SECONDS", help="Time between two looks.")  # fmt: skip
def command(instances: tuple[str, ...], once: bool, interval: float) -> None:
    """Show what instances do and use, until q is pressed.

    These are stages of a start, CPU, memory, ports and the last event. Ctrl-C ends it, too.
    Without a terminal the table is printed once.
    """
    from callao.cli.monitored import HEADINGS, Monitor, measured_once

    run = session()
    for name in instances:
        existing_paths(name, run.home)
    monitor = Monitor(run.home, instances)
    if once or not _can_redraw():
        show_table([HEADINGS, *measured_once(monitor, _SAMPLE_SECONDS)])
    else:
        _show_until_quit(monitor, interval)


def _can_redraw() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _show_until_quit(monitor: Monitor, interval: float) -> None:
    from rich.console import Console
    from rich.live import Live

    from callao.cli.terminal.keys import KeyPresses

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt  # so that the terminal is restored

    signal.signal(signal.SIGTERM, end)
    console = Console(file=sys.stdout)
    with (
        contextlib.suppress(KeyboardInterrupt),
        KeyPresses() as keys,
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):
        while True:
            live.update(_table(monitor.usages()), refresh=True)
            pressed = keys.wait(interval)  # several at once, where they came quickly
            if b"q" in pressed.lower() and not pressed.startswith(_ESCAPE):
                return


def _table(usages: list[Usage]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from callao.cli.monitored import HEADINGS

    table = Table(box=None, expand=True, header_style="bold", caption="q: quit", caption_justify="left")
    for heading in HEADINGS:
        last = heading == HEADINGS[-1]
        table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1 if last else None)
    for each in usages:
        cells = [Text(printable(cell)) for cell in each]
        cells[1].stylize(_COLOURS.get(each.status, ""))
        table.add_row(*cells)
    return table
