# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao autostart``."""

from __future__ import annotations

import os

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import existing_instance
from callao.cli.parsing.group import CommandGroup
from callao.cli.parsing.options import Command
from callao.cli.session import session, tell
from callao.errors import CallaoError


@click.group("autostart", cls=CommandGroup)
def command() -> None:
    """Have instances started when you log in.

    On Linux systemd's user manager does it, on macOS launchd. A session that ends shuts them down.
    """


@command.command("enable", cls=Command)
@click.argument("instance", shell_complete=complete.instances)
@click.option(
    "--condition",
    type=click.Choice(["login", "boot"]),
    default="login",
    show_default=True,
    help="When to start it; boot is for macOS, and needs sudo.",
)
@click.option("--user", metavar="NAME", help="The user that runs it with --condition=boot (default: you).")
def enable(instance: str, condition: str, user: str | None) -> None:
    """Have an instance started when you log in, or when the host boots."""
    if condition == "login":
        switch(instance, on=True)
        return
    from callao import system

    if system.LOGIN_MANAGER != "launchd":
        raise CallaoError("--condition=boot is only supported on macOS")
    from callao.autostart import daemon

    run = session()
    existing_instance(run, instance)
    owner = user or os.environ.get("USER") or run.host.user.name
    daemon.install(instance, run.home, owner)
    tell(f"{instance} is started at boot, as {owner}, by {daemon.path(instance)}.")


@command.command("disable", cls=Command)
@click.argument("instance", shell_complete=complete.instances)
def disable(instance: str) -> None:
    """Have an instance started at login or at boot no more."""
    from callao import system

    if system.LOGIN_MANAGER == "launchd":
        from callao.autostart import daemon

        existing_instance(session(), instance)
        if daemon.remove(instance):
            tell(f"{instance} is started at boot no more.")
            return
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
