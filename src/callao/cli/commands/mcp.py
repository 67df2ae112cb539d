# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao mcp``: an instance's commands and files as tools for coding agents."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import DEFAULT, ensure_instance, existing_instance
from callao.cli.arguments.running import ssh_to_running
from callao.cli.parsing.group import CommandGroup
from callao.cli.parsing.options import Command, duration, timeout
from callao.cli.session import Session, session, tell, warn
from callao.cli.terminal.messages import Dialect
from callao.cli.terminal.output import echo
from callao.errors import CallaoError

_CLIENT = click.option(
    "--client",
    type=click.Choice(["claude", "codex", "gemini", "vscode"]),
    default="claude",
    show_default=True,
    help="Whose configuration is printed.",
)


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
@click.option("--listen", metavar="WHERE",
              help="Serve by HTTP at unix:PATH or 127.0.0.1:PORT instead.")  # fmt: skip
@click.option("--token-file", type=click.Path(path_type=Path), metavar="FILE",
              help="File with the token that clients of --listen must send.")  # fmt: skip
@click.option("--snapshot", is_flag=True, help="Keep checkpoints of writable shares and the machine.")
@click.option("--snapshot-files", is_flag=True, help="Keep checkpoints of the writable shares alone.")
def serve(
    instance: str | None,
    roots: tuple[str, ...],
    allowed: tuple[str, ...],
    command_timeout: float,
    max_output: str,
    listen: str | None,
    token_file: Path | None,
    snapshot: bool,
    snapshot_files: bool,
) -> None:
    """Serve an instance's commands and files to a coding agent, on standard input and output.

    File tools and working directories are confined to the shared directories of the instance, or to those
    that --root and --allow name. What a command does is confined by the virtual machine alone.

    With --snapshot a checkpoint is made before each batch of changes, and the client has the tools
    checkpoint, diff and undo.

    \b
      callao mcp serve web
      callao mcp serve --root /srv/project web
      callao mcp serve --snapshot web
      callao mcp serve --listen 127.0.0.1:8765 --token-file ~/.callao-token web
    """
    from callao.mcp.extra import require_library

    require_library()
    from callao.instances.broken import require_config
    from callao.instances.index import indexed_instance
    from callao.mcp.checkpoints.machine import Discard, InstanceMachine
    from callao.mcp.guest import InstanceGuest
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
    if token_file is not None and listen is None:
        raise click.UsageError("--token-file needs --listen.")
    limits = Limits(output=_size(max_output), command=command_timeout)
    workspace = workspace_of(found.config.shares, _here(), roots, allowed)
    # The library takes a second to import, which no error waits for.
    from callao.mcp.http import listener_of
    from callao.mcp.run import CheckpointSettings, Service, run

    checkpoints = None
    if snapshot or snapshot_files:
        whole = existing_instance(current, name)
        mounts = require_config(whole).mounts
        shares = tuple(Path(each.location) for each in mounts if each.writable)
        if not shares:
            warn(f"instance {name!r} has no writable directory of the host: checkpoints keep no files.")
        checkpoints = CheckpointSettings(
            shares=shares,
            machine=InstanceMachine(current.home, name) if snapshot else None,
            folder=whole.paths.dir / "checkpoints",
            discard=Discard(current.home, name),
        )
    run(
        Service(
            guest=InstanceGuest(current.home, name),
            workspace=workspace,
            limits=limits,
            tell=tell,
            listener=None if listen is None else listener_of(listen, token_file),
            checkpoints=checkpoints,
        )
    )


@command.command("setup", cls=Command)
@click.argument("directory", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--name", default="agent", show_default=True, help="The instance's name.")
@click.option("--template", default="agent", show_default=True, help="The template of a new instance.")
@_CLIENT
@timeout
def setup(directory: Path, name: str, template: str, client: str, timeout: float) -> None:
    """Start an instance for a project, and print a client's configuration.

    The project's DIRECTORY is shared with it, writable, and nothing else of the host. A new instance is kept
    as the snapshot "pristine" first.

    \b
      callao mcp setup ~/project --client claude > ~/agent.mcp.json
    """
    from callao.instances.status import instance_names

    current = session()
    place = str(directory.resolve())
    mount = {"location": place, "mountPoint": place, "writable": True}
    if name not in instance_names(current.home):
        config = {"mounts": [mount]}
        ensure_instance(current, name, "started", template=template, config=config, timeout=timeout)
        _keep(current, name, timeout)
    else:
        instance = existing_instance(current, name)
        shares = [each.location for each in instance.config.mounts] if instance.config else []
        if shares != [place]:
            raise CallaoError(
                f"instance {name!r} exists, and does not share {place!r} alone.",
                hint="Choose another name: --name NAME",
            )
        ensure_instance(current, name, "started", timeout=timeout)
    _show_config(name, client)


@command.command("config", cls=Command)
@click.argument("instance", required=False, shell_complete=complete.instances)
@_CLIENT
def config(instance: str | None, client: str) -> None:
    """Print the configuration by which a client starts the server."""
    _show_config(instance or os.environ.get("LIMA_INSTANCE") or DEFAULT, client)


def _keep(run: Session, name: str, timeout: float) -> None:
    from callao.lifecycle.snapshots.operations import take

    take(name, "pristine", home=run.home, host=run.host, timeout=timeout, report=run.report)
    run.close()
    tell(f"Kept {name} as pristine. To return: callao snapshot apply {name} --tag pristine")


def _show_config(name: str, client: str) -> None:
    from callao.mcp.client_config import FILES, Client, client_config

    program = Path(sys.argv[0]).absolute()
    start = [str(program)] if os.access(program, os.X_OK) else [sys.executable, "-m", "callao.cli.main"]
    environment = {"LIMA_HOME": os.environ["LIMA_HOME"]} if os.environ.get("LIMA_HOME") else {}
    chosen = Client(client)
    tell(f"The configuration of {client} belongs in {FILES[chosen]}:")
    text = client_config(chosen, "lima", [*start, "mcp", "serve", "--snapshot", name], environment)
    echo(text, nl=False)


def _here() -> list[str]:
    """The working directory: as it is named, and without links."""
    try:
        return [str(Path.cwd()), os.path.realpath(".")]
    except FileNotFoundError:  # it was removed under us
        return []


def _size(text: str) -> int:
    from callao.config.sizes import parse_size

    try:
        size = parse_size(text)
    except ValueError:
        size = 0
    if not 1024 <= size <= 32 << 20:
        raise CallaoError(f"--max-output: {text!r} is not allowed (allowed: 1KiB to 32MiB).")
    return size
