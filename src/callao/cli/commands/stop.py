# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao stop``."""

from __future__ import annotations

from callao.cli.arguments.existing import DEFAULT
from callao.cli.parsing.syntax import Argument, Option, Syntax
from callao.cli.session import Session, tell, warn
from callao.cli.terminal.messages import Dialect
from callao.cli.terminal.output import failed
from callao.cli.terminal.stages import Stages
from callao.instances.lock import DEFAULT_TIMEOUT
from callao.instances.status import existing_paths
from callao.lifecycle.quick_stop import stop_indexed

SYNTAX = Syntax(
    "stop",
    (Option("force", ("-f", "--force"), "Switch off without asking the guest."),),
    (Argument("instances", "[INSTANCE]...", complete="instances", many=True),),
)


def run(run: Session, instances: tuple[str, ...], force: bool) -> int:
    """Stop instances.

    Without a name it is the instance "default".
    """
    status = 0
    names = instances or (DEFAULT,)
    for name in names:
        existing_paths(name, run.home)
    for name in names:
        with Stages(run, f"stopping {name}") as stages:
            stopped = stop_indexed(
                name, run.home, force=force, timeout=DEFAULT_TIMEOUT, notice=warn, passed=stages.passed
            )
        if stopped:
            tell("stopping", mark="✓ ", fg="green")
        elif run.dialect is Dialect.LIMACTL and not force:
            status = failed("expected status `Running`, got `Stopped` (maybe use `limactl stop -f`?)")
        else:
            tell(f"{name} is stopped already.")
    return status
