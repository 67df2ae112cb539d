# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao unprotect``."""

from __future__ import annotations

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import existing_instance
from callao.cli.parsing.options import Command
from callao.cli.session import session, tell


@click.command("unprotect", cls=Command)
@click.argument(
    "instances", nargs=-1, required=True, metavar="INSTANCE...", shell_complete=complete.instances
)
def command(instances: tuple[str, ...]) -> None:
    """Let instances be deleted again."""
    from callao.lifecycle.protect import set_protected

    run = session()
    for instance in [existing_instance(run, name) for name in instances]:
        set_protected(instance.paths, on=False)
        tell(f"{instance.name} can be deleted again.")
