# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao factory-reset``."""

from __future__ import annotations

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import DEFAULT, existing_instance
from callao.cli.parsing.options import Command
from callao.cli.session import session, tell
from callao.cli.terminal.messages import Dialect
from callao.errors import InstanceNotFound


@click.command("factory-reset", cls=Command)
@click.argument("instance", default=DEFAULT, shell_complete=complete.instances)
def command(instance: str) -> None:
    """Give an instance the disk it was made with.

    lima.yaml stays; all in the guest is lost.
    """
    from callao.lifecycle.factory_reset import factory_reset
    from callao.offline import network_access_of_environment

    run = session()
    try:
        found = existing_instance(run, instance)
    except InstanceNotFound:
        if run.dialect is not Dialect.LIMACTL:
            raise
        tell(f"Instance `{instance}` not found")  # no failure for limactl
        return
    factory_reset(
        found,
        home=run.home,
        access=network_access_of_environment(),
        report=run.report,
    )
    tell(f"{instance} is as new. Start it: callao start {instance}")
