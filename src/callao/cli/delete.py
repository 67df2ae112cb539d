# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao delete``."""

from __future__ import annotations

import click

from callao.cli import complete
from callao.cli.existing import bring, look
from callao.cli.options import Command
from callao.cli.session import session, tell, warn


@click.command("delete", cls=Command)
@click.argument(
    "instances", nargs=-1, required=True, metavar="INSTANCE...", shell_complete=complete.instances
)
@click.option("-f", "--force", is_flag=True, help="Delete even what is running.")
def command(instances: tuple[str, ...], force: bool) -> None:
    """Delete instances.

    Their disks go with them. One that isn't there is passed over; all others are looked at before the
    first is deleted.
    """
    from callao.errors import InstanceNotFound
    from callao.lifecycle.quiet import must_be_stopped

    run = session()
    found = []
    for name in instances:
        try:
            instance = look(run, name)
        except InstanceNotFound as error:
            warn(str(error))
            continue
        if not force:
            must_be_stopped(instance, "deleted")
        found.append(name)
    for name in found:
        bring(run, name, "absent", force=force)
        tell(f"Deleted {name}.")
