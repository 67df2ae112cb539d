# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao autostart``."""

from __future__ import annotations

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import existing_instance
from callao.cli.parsing.group import CommandGroup
from callao.cli.parsing.options import Command
from callao.cli.session import session, tell


@click.group("autostart", cls=CommandGroup)
def command() -> None:
    """Have instances started when you log in.

    On Linux systemd's user manager does it, on macOS launchd. A session that ends shuts them down.
    """


@command.command("enable", cls=Command)
@click.argument("instance", shell_complete=complete.instances)
@click.option("--condition", type=click.Choice(["login"]), default="login", show_default=True,
              help="When to start it.")  # fmt: skip
def enable(instance: str, condition: str) -> None:
    """Have an instance started when you log in."""
    del condition  # there is one
    switch(instance, on=True)


@command.command("disable", cls=Command)
@click.argument("instance", shell_complete=complete.instances)
def disable(instance: str) -> None:
    """Have an instance started at login no more."""
    switch(instance, on=False)


def switch(name: str, *, on: bool) -> None:
    """Do it, and tell what was done.

    :raises InstanceNotFound: when there is none of that name.
    """
    from callao import autostart

    run = session()
    found = existing_instance(run, name)
    if on and found.autostart:
        tell(f"{name} is started at login already.")
    elif on:
        autostart.enable(name, run.home)
        tell(f"{name} is started at login.")
    elif autostart.disable(name, run.home):
        tell(f"{name} is started at login no more.")
    else:
        tell(f"{name} is not started at login.")
