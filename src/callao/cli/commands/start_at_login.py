# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao start-at-login``: limactl's older name of ``autostart``."""

from __future__ import annotations

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import DEFAULT
from callao.cli.commands.autostart import switch
from callao.cli.parsing.options import Command, boolean
from callao.cli.session import tell, warn
from callao.cli.terminal.messages import Dialect, message_style
from callao.errors import InstanceNotFound


@click.command("start-at-login", cls=Command)
@click.argument("instance", required=False, default=DEFAULT, shell_complete=complete.instances)
@boolean("--enabled", help="Whether to start it (default: true).")
def command(instance: str, enabled: bool | None) -> None:
    """The older name of autostart."""
    if message_style().dialect is Dialect.LIMACTL:
        warn('Command "start-at-login" is deprecated, use "limactl autostart" instead')
    try:
        switch(instance, on=enabled is not False)
    except InstanceNotFound as error:  # no failure for limactl either
        warn(str(error))
        tell("Nothing was changed.")
