# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao prune``."""

from __future__ import annotations

import click

from callao.cli.options import Command
from callao.cli.session import session, tell


@click.command("prune", cls=Command)
@click.option("--keep-referred", is_flag=True, help="Keep images that an instance's lima.yaml names.")
def command(keep_referred: bool) -> None:
    """Remove what nothing uses from the cache.

    An image that an instance's disk is made on always stays.
    """
    from callao.lifecycle.prune import prune_cache

    run = session()
    pruned = prune_cache(run.home, run.host, keep_referred=keep_referred)
    for path in pruned.paths:
        click.echo(path)
    tell(f"Freed {pruned.size / 2**20:.0f} MiB.")
