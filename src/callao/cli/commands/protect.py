# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao protect``."""

from __future__ import annotations

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import existing_instance
from callao.cli.parsing.options import Command
from callao.cli.session import session, tell, warn
from callao.errors import InstanceNotFound


@click.command("protect", cls=Command)
@click.argument(
    "instances", nargs=-1, required=True, metavar="INSTANCE...", shell_complete=complete.instances
)
def command(instances: tuple[str, ...]) -> None:
    """Keep instances from being deleted."""
    switch(instances, on=True)


def switch(names: tuple[str, ...], *, on: bool) -> None:
    """Protect the instances, or take their protection away.

    :raises InstanceNotFound: before any is changed, when one does not exist.
    """
    from callao.lifecycle.protect import set_protected

    run = session()
    verb = "protect" if on else "unprotect"
    found = []
    for name in names:
        try:
            found.append(existing_instance(run, name))
        except InstanceNotFound as error:
            raise InstanceNotFound(f"cannot {verb}: {error}") from None
    for instance in found:
        if instance.protected == on:
            warn(f"{instance.name} is {'protected already' if on else 'not protected'}.")
            continue
        set_protected(instance.paths, on=on)
        tell(f"Protected {instance.name}." if on else f"{instance.name} can be deleted again.")
