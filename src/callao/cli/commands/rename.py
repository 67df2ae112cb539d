# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao rename``."""

from __future__ import annotations

from typing import Any

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import ensure_instance, existing_instance
from callao.cli.parsing.options import Command, boolean, configuration, timeout
from callao.cli.session import session, tell


@click.command("rename", cls=Command)
@click.argument("old", metavar="INSTANCE", shell_complete=complete.instances)
@click.argument("new", metavar="NEW_NAME")
@boolean("--start", help="Start it afterwards.")
@configuration
@timeout
def command(old: str, new: str, start: bool | None, timeout: float, **flags: Any) -> None:
    """Give a stopped instance another name.

    Flags change it, too.
    """
    from callao.cli.arguments.overrides import apply_flags, edit_by
    from callao.lifecycle.rename import rename

    run = session()
    found = existing_instance(run, old)
    apply_flags(found.document, flags)  # a flag that cannot be is refused before anything changes
    rename(found, new, home=run.home)
    if (edit := edit_by(flags)) is not None:
        ensure_instance(run, new, "present", restart="never", edit=edit)
    tell(f"{old} is now {new}.")
    if start:
        ensure_instance(run, new, "started", timeout=timeout)
