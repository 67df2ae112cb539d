# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao unprotect``."""

from __future__ import annotations

import click

from callao.cli.arguments import complete
from callao.cli.commands.protect import switch
from callao.cli.parsing.options import Command


@click.command("unprotect", cls=Command)
@click.argument(
    "instances", nargs=-1, required=True, metavar="INSTANCE...", shell_complete=complete.instances
)
def command(instances: tuple[str, ...]) -> None:
    """Let instances be deleted again."""
    switch(instances, on=False)
