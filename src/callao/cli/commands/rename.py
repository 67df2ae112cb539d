# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao rename``."""

from __future__ import annotations

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import existing_instance
from callao.cli.parsing.options import Command
from callao.cli.session import session, tell


@click.command("rename", cls=Command)
@click.argument("old", metavar="INSTANCE", shell_complete=complete.instances)
@click.argument("new", metavar="NEW_NAME")
def command(old: str, new: str) -> None:
    """Give a stopped instance another name."""
    from callao.lifecycle.rename import rename

    run = session()
    rename(existing_instance(run, old), new, home=run.home)
    tell(f"{old} is now {new}.")
