# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao prune``."""

from __future__ import annotations

import click

from callao.cli.parsing.options import Command
from callao.cli.session import Session, session, tell
from callao.cli.terminal.output import echo


@click.command("prune", cls=Command)
@click.option("--keep-referred", is_flag=True, help="Keep images that an instance's lima.yaml names.")
@click.option("--orphans", is_flag=True,
              help="Delete instances made for a folder that is gone; leave the cache alone.")  # fmt: skip
def command(keep_referred: bool, orphans: bool) -> None:
    """Remove what nothing uses from the cache.

    Images and warm machines that an instance's disk is made on always stay. With --orphans, instances go
    whose label callao.owner, or the Molecule driver's, names a folder that does not exist any more.
    """
    if keep_referred and orphans:
        raise click.UsageError("--keep-referred and --orphans exclude each other.")
    run = session()
    if orphans:
        _orphans(run)
        return
    from callao.lifecycle.prune import prune_cache

    pruned = prune_cache(run.home, run.host, keep_referenced=keep_referred, report=run.report)
    for path in pruned.paths:
        echo(str(path))
    tell(f"Freed {pruned.size / 2**20:.0f} MiB.")


def _orphans(run: Session) -> None:
    from callao.lifecycle.orphans import remove_orphans

    removed = remove_orphans(run.home, run.host, run.report)
    for name in removed:
        echo(name)
    tell(f"Deleted {len(removed)} of the instances.")
