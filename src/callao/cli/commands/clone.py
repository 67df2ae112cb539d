# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao clone``."""

from __future__ import annotations

from typing import Any

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import ensure_instance, existing_instance
from callao.cli.parsing.options import Command, boolean, configuration, timeout
from callao.cli.session import session, tell


@click.command("clone", cls=Command)
@click.argument("source", metavar="INSTANCE", shell_complete=complete.instances)
@click.argument("name", metavar="NEW_NAME")
@boolean("--start", help="Start the new instance.")
@configuration
@timeout
def command(source: str, name: str, start: bool | None, timeout: float, **flags: Any) -> None:
    """Make an instance like one that is stopped.

    Its disk is a copy of the other's as it is now; its name, addresses and keys are its own.

    \b
      callao clone web web2 --memory 8 --start
    """
    from callao.cli.arguments.overrides import apply_flags
    from callao.lifecycle.clone import clone

    run = session()
    found = existing_instance(run, source)
    document = apply_flags(found.document, flags)
    clone(found, name, document, home=run.home, host=run.host, report=run.report)
    if start:
        ensure_instance(run, name, "started", timeout=timeout)
    tell(f"Made {name} from {source}.")
