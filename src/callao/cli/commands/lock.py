# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao lock``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import click

from callao.cli.arguments.collect import collect_references
from callao.cli.parsing.options import Command
from callao.cli.session import session, tell
from callao.errors import LockError

FILE = "callao.lock"


@click.command("lock", cls=Command)
@click.argument("references", nargs=-1, metavar="[TEMPLATE|PLAYBOOK]...")
@click.option("-i", "--inventory", multiple=True, help="Lock the templates of an inventory's hosts, too.")
@click.option("--file", "path", default=FILE, show_default=True, type=click.Path(path_type=Path),
              help="The lock file.")  # fmt: skip
@click.option("--update", multiple=True, is_flag=False, flag_value="", metavar="[NAME]",
              help="Lock NAME anew; without a name, all of them.")  # fmt: skip
@click.option("--check", is_flag=True, help="Change nothing; exit status 1 where the file would change.")
def command(
    references: tuple[str, ...], inventory: tuple[str, ...], path: Path, update: tuple[str, ...], check: bool
) -> None:
    """Write down what templates stand for today: their texts, images, digests and packages.

    \b
      callao lock debian-12 ./box.yaml      locks two templates in callao.lock
      callao lock site.yml -i hosts.yml     locks those that a playbook and an inventory name
      callao lock                           tells whether the locked ones are as they were
      callao lock --update debian-12        locks one anew

    What is locked already stays; when it has changed, that is an error which names what did.
    """
    from callao.lockfile import key_of, make, read, reference_of, render, write
    from callao.offline import network_access_of_environment

    run = session()
    folder = path.absolute().parent
    previous = read(path).lock if path.exists() else None
    locked = list(previous.templates) if previous else []
    named = [key_of(each, folder) for each in collect_references(references, inventory)]
    others = collect_references(each for each in update if each not in locked)
    keys = [*(each for each in update if each in locked), *(key_of(each, folder) for each in others)]
    renewed = renewals(update, keys, named, locked)
    wanted = [*named, *renewed] or locked
    if not wanted:
        raise LockError("lock: nothing is named.", hint="Name templates, a playbook, or -i INVENTORY.")
    missing = [key for key in wanted if key not in locked]
    if check and missing:
        raise LockError(
            f"{path}: not locked: {', '.join(missing)}.", hint="Run 'callao lock' without --check."
        )
    lock = make(
        [reference_of(key, folder) for key in wanted],
        run.home,
        folder=folder,
        access=network_access_of_environment(),
        report=run.report,
        previous=previous,
        update=[] if check else [key for key in renewed if key in locked],
    )
    if previous is not None and render(lock) == render(previous):
        tell(f"{path} is as it should be: {', '.join(locked)}.")
    elif check:
        raise LockError(f"{path} was made by another Callao.", hint="Run 'callao lock' without --check.")
    else:
        write(path, lock)
        tell(f"Wrote {path}: {', '.join(dict.fromkeys(wanted))}.")


def renewals(
    update: Collection[str], keys: Collection[str], named: Collection[str], locked: Collection[str]
) -> list[str]:
    """What is locked anew: what ``--update`` names, and without a name all that is spoken of.

    :param keys: what the names in ``update`` came to.
    """
    every = (named or locked) if "" in update else ()
    return list(dict.fromkeys([*every, *keys]))
