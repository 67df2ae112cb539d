# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao install-links``: this program under the names of limactl and of Lima's wrappers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from callao.cli.parsing.options import Command
from callao.cli.programs.names import Program
from callao.cli.session import tell
from callao.errors import CallaoError

_NAMES = tuple(each.value for each in Program)


@click.command("install-links", cls=Command)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", nargs=-1, metavar="[NAME]...", type=click.Choice(_NAMES))
def command(folder: Path, names: tuple[str, ...]) -> None:
    """Link limactl, lima and their kind to this program.

    Scripts and editors that run limactl then run Callao, if FOLDER, where the links are made, comes before
    Lima's own on PATH.

    Without a NAME all are linked: limactl, lima, nerdctl.lima, docker.lima, podman.lima, kubectl.lima,
    apptainer.lima, yq.lima and limactl-mcp.

    \b
      callao install-links ~/.local/bin
      callao install-links ~/bin limactl
    """
    program = _this_program()
    links = [folder / name for name in names or _NAMES]
    taken = [link for link in links if os.path.lexists(link) and link.resolve() != program.resolve()]
    if taken:
        raise CallaoError(
            f"{', '.join(map(str, taken))}: another program has this name.",
            hint="Remove it first, or choose another folder.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for link in links:
        if not link.is_symlink():
            link.symlink_to(program)
    tell(f"Linked {', '.join(link.name for link in links)} in {folder}.")


def _this_program() -> Path:
    """The ``callao`` program of this installation.

    :raises CallaoError: when Python runs the module, without a program.
    """
    beside = Path(sys.executable).with_name("callao")
    called = Path(sys.argv[0]).absolute()
    for program in (called, beside):
        if program.name == "callao" and program.is_file():
            return program
    raise CallaoError("there is no program 'callao' to link to.", hint="Install it: pip install callao")
