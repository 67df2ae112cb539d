# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao stop``."""

from __future__ import annotations

import click

from callao.cli import complete
from callao.cli.create import DEFAULT
from callao.cli.existing import bring, look
from callao.cli.options import Command
from callao.cli.session import session, tell


@click.command("stop", cls=Command)
@click.argument("instances", nargs=-1, metavar="[INSTANCE]...", shell_complete=complete.instances)
@click.option("-f", "--force", is_flag=True, help="Switch off without asking the guest.")
def command(instances: tuple[str, ...], force: bool) -> None:
    """Stop instances.

    Without a name it is the instance "default".
    """
    run = session()
    names = instances or (DEFAULT,)
    for name in names:
        look(run, name)
    for name in names:
        if not bring(run, name, "stopped", force=force):
            tell(f"{name} is stopped already.")
