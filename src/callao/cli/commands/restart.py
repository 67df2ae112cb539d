# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao restart``."""

from __future__ import annotations

from typing import Any

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import DEFAULT, ensure_instance, existing_instance
from callao.cli.commands.start import welcome
from callao.cli.parsing.options import Command, configuration, progress, timeout
from callao.cli.session import session


@click.command("restart", cls=Command)
@click.argument("instance", default=DEFAULT, shell_complete=complete.instances)
@click.option("-f", "--force", is_flag=True, help="Switch off without asking the guest.")
@configuration
@progress
@timeout
def command(instance: str, force: bool, progress: bool | None, timeout: float, **flags: Any) -> None:
    """Stop an instance and start it again.

    Flags change it in between.
    """
    from callao.cli.arguments.overrides import edit_by

    run = session()
    run.shows_provision_log = progress is True
    existing_instance(run, instance)
    ensure_instance(run, instance, "restarted", force=force, timeout=timeout, edit=edit_by(flags))
    welcome(run, instance)
