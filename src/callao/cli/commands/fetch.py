# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao fetch``."""

from __future__ import annotations

from pathlib import Path

import click

from callao.cli.commands.lock import FILE
from callao.cli.parsing.options import Command
from callao.cli.session import Session, session, tell

_ALL = "all"


@click.command("fetch", cls=Command)
@click.option(
    "--lock",
    "path",
    default=FILE,
    show_default=True,
    type=click.Path(path_type=Path),
    help="The lock file that names them.",
)
@click.option(
    "--arch",
    multiple=True,
    metavar="ARCH",
    help="Architecture whose images to fetch, or 'all' (default: this host's).",
)
@click.option("--tar", type=click.Path(path_type=Path), help="Write all of it to one tar, too.")
@click.option("--from", "source", type=click.Path(path_type=Path),
              help="Take it from such a tar; the network is not asked.")  # fmt: skip
def command(path: Path, arch: tuple[str, ...], tar: Path | None, source: Path | None) -> None:
    """Fetch all that a lock file names, so that CALLAO_OFFLINE=1 finds it in the cache.

    \b
      callao fetch                      into this machine's cache
      callao fetch --tar boxes.tar      and into a file to carry
      callao fetch --from boxes.tar     out of that file, verified by callao.lock
    """
    run = session()
    if source is not None:
        if tar is not None or arch:
            raise click.UsageError("--from takes what the tar has: leave out --tar and --arch.")
        _unpacked(run, source, path)
        return
    from callao.lockfile import export, fetch_all, read
    from callao.offline import network_access_of_environment

    archs = () if _ALL in arch else arch or (run.host.arch,)
    file = read(path)
    files = fetch_all(file.lock, run.home, archs, run.report, network_access_of_environment())
    size = sum(each.size for each in files) / 2**20
    tell(f"{len(files)} files ({size:.0f} MiB) of {path} are in the cache.")
    if tar is not None:
        export(file, run.home, archs, tar)
        tell(f"Wrote {tar}. Where it is wanted: callao fetch --from {tar.name}")


def _unpacked(run: Session, source: Path, path: Path) -> None:
    """By the lock that is here already; the one in the tar only when there is none."""
    from callao.lockfile import read, unpack, write

    trusted = read(path).lock if path.exists() else None
    carried = unpack(source, run.home, trusted, run.report)
    tell(f"All of {source} is in the cache.")
    if trusted is None:
        write(path, carried)
        tell(f"Wrote {path}, which came with it: there was none here to verify it by.")
