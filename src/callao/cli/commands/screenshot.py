# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao screenshot``: a picture of what an instance's display shows."""

from __future__ import annotations

from pathlib import Path

import click

from callao.cli.arguments import complete
from callao.cli.parsing.options import Command
from callao.cli.session import session, tell
from callao.errors import CallaoError, InstanceError
from callao.instances.index import indexed_instance
from callao.instances.status import Status

_TIMEOUT = 60.0
"""Seconds for the answer: a large screen takes a busy host some."""


@click.command("screenshot", cls=Command)
@click.argument("instance", shell_complete=complete.instances)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
              help="The file, which ends in .png or .bmp (default: INSTANCE-screenshot.png).")  # fmt: skip
def command(instance: str, output: Path | None) -> None:
    """Take a picture of an instance's display.

    It needs a display: 'callao edit INSTANCE --video' gives one at the next start, and on a host without a
    desktop no window is opened.
    """
    from callao.hostagent.api import routes
    from callao.hostagent.api.client import fetch

    found = indexed_instance(instance, session().home)
    if found.status is not Status.RUNNING:
        raise InstanceError(
            f"instance {instance!r} is not running (it is {found.status}).",
            hint=f"Start it: callao start {instance}",
        )
    file = output or Path(f"{instance}-screenshot.png")
    form = file.suffix.lower().removeprefix(".")
    if form not in ("png", "bmp"):
        raise CallaoError(f"--output: {str(file)!r} has no ending of a picture (allowed: .png, .bmp).")
    method, path = routes.SCREENSHOT
    data = fetch(found.paths.ha_sock, method, f"{path}?format={form}", timeout=_TIMEOUT)
    try:
        file.write_bytes(data)
    except OSError as error:
        raise CallaoError(f"{file} cannot be written: {error.strerror}.") from error
    tell(f"Saved the screen of {instance} in {file} ({len(data)} bytes).")
