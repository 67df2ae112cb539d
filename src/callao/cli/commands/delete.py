# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao delete``."""

from __future__ import annotations

from callao.cli.parsing.syntax import Argument, Option, Syntax
from callao.cli.session import Session, tell, warn
from callao.cli.terminal.stages import Stages
from callao.errors import InstanceBroken, InstanceNotFound
from callao.instances.index import indexed_instance
from callao.instances.lock import DEFAULT_TIMEOUT
from callao.lifecycle.preconditions import must_be_stopped
from callao.lifecycle.quick_stop import delete_indexed
from callao.lifecycle.remove import finish_removal

SYNTAX = Syntax(
    "delete",
    (Option("force", ("-f", "--force"), "Delete even what is running."),),
    (Argument("instances", "INSTANCE...", complete="instances", required=True, many=True),),
)


def run(run: Session, instances: tuple[str, ...], force: bool) -> None:
    """Delete instances.

    Their disks go with them. One that isn't there is passed over; all others are looked at before the
    first is deleted.
    """
    found = []
    for name in instances:
        try:
            instance = indexed_instance(name, run.home)
        except InstanceNotFound as error:
            if finish_removal(run.home, name, DEFAULT_TIMEOUT):
                tell(f"Deleted what an earlier run had left of {name}.")
            else:
                warn(f"nothing to delete: {error}")
            continue
        if not instance.paths.lima_yaml.exists():
            raise InstanceBroken(
                f"instance {name!r}: its folder {instance.dir} has no lima.yaml: it was not deleted, "
                "because another program may be creating it.",
                hint="Remove the folder yourself if no program uses it.",
            )
        if not force:
            must_be_stopped(instance, "deleted")
        found.append(name)
    for name in found:
        with Stages(run, f"deleting {name}") as stages:
            delete_indexed(name, run.home, timeout=DEFAULT_TIMEOUT, notice=warn, passed=stages.passed)
        tell(f"Deleted {name}.")
