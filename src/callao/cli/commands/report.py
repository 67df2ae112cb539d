# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao report``: the stages of starts over time, as a table or as an HTML page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from callao.cli.arguments import complete
from callao.cli.parsing.options import Command
from callao.cli.session import Session, session, tell
from callao.cli.terminal.output import show_table
from callao.errors import CallaoError
from callao.instances.index import indexed_instance
from callao.instances.status import Status, instance_names

if TYPE_CHECKING:
    from callao.timeline import BoxTimeline, Entry

_LOG_BYTES = 8 << 20
"""Bytes at the end of a host agent's log that are read."""


@click.command("report", cls=Command)
@click.argument(
    "sources", nargs=-1, metavar="[INSTANCE|FOLDER]...", shell_complete=complete.instances_or_files
)
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path),
              help="Write a page with charts, which needs no network and no scripts.")  # fmt: skip
def command(sources: tuple[str, ...], page: Path | None) -> None:
    """Show how long the stages of starts took, also as an HTML page.

    Of an instance, it is its last start and what happened since. FOLDER is the ephemeral directory of a
    Molecule scenario, or another with a timeline.jsonl. Without a name all instances are shown.

    \b
      callao report web
      callao report web db --html boxes.html
    """
    run = session()
    names = instance_names(run.home)
    entries, now = [], {}
    for source in sources or names:
        if source in names:
            entries += _of_instance(run, source)
            if indexed_instance(source, run.home).status is Status.RUNNING:
                now[source] = time.time()
        else:
            entries += _of_file(run, source)
    from callao.timeline import box_timelines, render_page

    timelines = box_timelines(entries, now)
    if page is None:
        _show(timelines)
        return
    try:
        page.write_bytes(render_page(timelines, " ".join(map(_title, sources)) or "Instances"))
    except OSError as error:
        raise CallaoError(f"{page} cannot be written: {error.strerror}.") from error
    tell(f"Wrote {page}.")


def _of_instance(run: Session, name: str) -> list[Entry]:
    from callao.file_end import read_end
    from callao.hostagent import journal
    from callao.timeline import Entry

    log = indexed_instance(name, run.home).paths.ha_stdout
    lines = map(journal.read, read_end(log, _LOG_BYTES).splitlines())
    return [Entry(box=name, event=line.callao) for line in lines if line is not None and line.callao]


def _of_file(run: Session, source: str) -> list[Entry]:
    from callao.timeline import FILE_NAME, TimelineFile

    path = Path(source)
    if not path.exists():
        indexed_instance(source, run.home)  # which says that there is no such instance
    return TimelineFile(path / FILE_NAME if path.is_dir() else path).read()


def _title(source: str) -> str:
    return Path(source).name


def _show(timelines: list[BoxTimeline]) -> None:
    rows = [
        (each.name, span.stage, _clock(span.begin), f"{span.seconds:.1f}", "failed" if span.failed else "")
        for each in timelines
        for span in each.spans
    ]
    if rows:
        show_table([("INSTANCE", "STAGE", "BEGIN", "SECONDS", ""), *rows])
    else:
        tell("Nothing was recorded: no start of these instances has left events.")


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
