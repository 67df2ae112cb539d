# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao show-ssh``."""

from __future__ import annotations

import shlex

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import existing_instance
from callao.cli.parsing.options import Command
from callao.cli.session import session, warn
from callao.cli.terminal.messages import Dialect
from callao.cli.terminal.output import echo
from callao.errors import InstanceError
from callao.instances import ssh_alias

_FORMATS = ("cmd", "args", "options", "config")


@click.command("show-ssh", cls=Command)
@click.argument("instance", shell_complete=complete.instances)
@click.option("-f", "--format", "form", type=click.Choice(_FORMATS), default="cmd", show_default=True,
              help="A command line, its arguments, its options, or the text for ssh_config(5).")  # fmt: skip
def command(instance: str, form: str) -> None:
    """Show how ssh reaches an instance.

    \b
      ssh -F "$(callao list web --format '{{.SSHConfigFile}}')" lima-web
    """
    run = session()
    found = existing_instance(run, instance)
    config = found.paths.ssh_config
    if not config.exists():
        raise InstanceError(
            f"instance {instance!r} has no ssh.config: it never ran.", hint=f"callao start {instance}"
        )
    alias = ssh_alias(instance)
    options = ["-F", str(config)]
    if run.dialect is Dialect.LIMACTL:
        warn(f"`limactl show-ssh` is deprecated. Instead, use `ssh -F {config} {alias}`.")
    match form:
        case "cmd":
            echo(shlex.join(["ssh", *options, alias]))
        case "args":
            echo(shlex.join([*options, alias]))
        case "options":
            echo(shlex.join(options))
        case _:
            echo(config.read_text(encoding="utf-8"), nl=False)
