# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao mcp``: an instance's commands and files as tools for coding agents."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import DEFAULT
from callao.cli.arguments.running import ssh_to_running
from callao.cli.parsing.group import CommandGroup
from callao.cli.parsing.options import Command, duration
from callao.cli.session import session, warn
from callao.cli.terminal.messages import Dialect
from callao.cli.terminal.output import echo


@click.group("mcp", cls=CommandGroup)
def command() -> None:
    """Let coding agents use an instance's commands and files.

    The server speaks the Model Context Protocol.
    """


@command.command("info", cls=Command)
def info() -> None:
    """Print the tools of the server as JSON."""
    from callao.mcp.schemas import TOOLS, listing

    echo(json.dumps(listing(TOOLS), indent=4), nl=False)


@command.command("serve", cls=Command)
@click.argument("instance", required=False, shell_complete=complete.instances)
@click.option("--root", "roots", multiple=True, metavar="DIR",
              help="Let the tools use this directory of the guest, not the shared ones.")  # fmt: skip
@click.option("--allow", "allowed", multiple=True, metavar="DIR",
              help="Let the tools use this directory of the guest, too.")  # fmt: skip
@duration("--command-timeout", default="10m", help="How long a command may run.")
@click.option("--max-output", default="1MiB", show_default=True, metavar="SIZE",
              help="How much of a file, or of each output of a command, is returned.")  # fmt: skip
def serve(
    instance: str | None,
    roots: tuple[str, ...],
    allowed: tuple[str, ...],
    command_timeout: float,
    max_output: str,
) -> None:
    """Serve an instance's commands and files to a coding agent, on standard input and output.

    File tools and working directories are confined to the shared directories of the instance, or to those
    that --root and --allow name. What a command does is confined by the virtual machine alone.

    \b
      callao mcp serve web
      callao mcp serve --root /srv/project web
    """
    from callao.mcp.extra import require_library

    require_library()
    from callao.instances.index import indexed_instance
    from callao.mcp.guest import InstanceGuest
    from callao.mcp.run import Service, run
    from callao.mcp.toolbox import Limits
    from callao.mcp.workspace import workspace_of

    current = session()
    name = instance or os.environ.get("LIMA_INSTANCE") or DEFAULT
    found = indexed_instance(name, current.home)
    ssh_to_running(found)
    if current.dialect is Dialect.LIMACTL and not roots:
        roots = ("/",)  # as Lima's server, which confines nothing
    if not found.config.shares:
        warn(f"instance {name!r} shares no directory with the host.")
    workspace = workspace_of(found.config.shares, _here(), roots, allowed)
    limits = Limits(output=_size(max_output), command=command_timeout)
    run(Service(InstanceGuest(current.home, name), workspace, limits))


def _here() -> list[str]:
    """The working directory: as it is named, and without links."""
    try:
        return [str(Path.cwd()), os.path.realpath(".")]
    except FileNotFoundError:  # it was removed under us
        return []


def _size(text: str) -> int:
    from callao.config.sizes import parse_size
    from callao.errors import CallaoError

    try:
        size = parse_size(text)
    except ValueError:
        size = 0
    if not 1024 <= size <= 32 << 20:
        raise CallaoError(f"--max-output: {text!r} is not allowed (allowed: 1KiB to 32MiB).")
    return size
