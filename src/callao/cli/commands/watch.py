# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao watch``: the events of instances as they happen."""

from __future__ import annotations

import sys
import time

import click

from callao.cli.arguments import complete
from callao.cli.parsing.options import Command
from callao.cli.session import session, tell
from callao.cli.terminal.output import echo
from callao.cli.watched import LogLine, Watcher, described, event_of
from callao.instances.status import existing_paths

_PERIOD = 0.25
"""Seconds between two looks at the logs."""


@click.command("watch", cls=Command)
@click.argument("instances", nargs=-1, metavar="[INSTANCE]...", shell_complete=complete.instances)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: the instance and the event.")
@click.option("--history", is_flag=True, help="Begin with what has happened since the last start.")
@click.option("--verbose", is_flag=True, help="Show the host agents' own messages, too.")
def command(instances: tuple[str, ...], as_json: bool, history: bool, verbose: bool) -> None:
    """Show the events of instances as they happen.

    It goes on until it is interrupted. Without a name the events of all instances are shown,
    also of ones that are created meanwhile.

    \b
      callao watch --json web | jq .event
    """
    run = session()
    for name in instances:
        existing_paths(name, run.home)
    logs = ("ha.stdout.log", "ha.stderr.log") if verbose else ("ha.stdout.log",)
    watcher = Watcher(run.home, instances, history=history, logs=logs)
    tell("Watching for events..." if watcher.instances else "No instances found. Watching for new ones...")
    while True:
        for name in watcher.new_instances():
            tell(f"New instance detected: {name}")
        for line in watcher.lines():
            if (text := shown(line, as_json=as_json)) is not None:
                echo(text)
        sys.stdout.flush()
        time.sleep(_PERIOD)


def shown(line: LogLine, *, as_json: bool) -> str | None:
    """The line as it is printed; None for one that holds no event."""
    import json

    event = event_of(line.text) if line.log == "ha.stdout.log" else {"message": line.text}
    if event is None:
        return None
    if as_json:
        return json.dumps({"instance": line.instance, "event": event}, separators=(",", ":"))
    words = described(event) if line.log == "ha.stdout.log" else line.text
    return f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line.instance} | {words}"
