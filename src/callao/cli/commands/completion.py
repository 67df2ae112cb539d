# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao completion``."""

from __future__ import annotations

import click

from callao.cli.parsing.options import Command
from callao.cli.terminal.messages import completion_variable, program_name
from callao.cli.terminal.output import echo


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
def command(shell: str) -> None:
    """Print a shell's completion script.

    \b
      bash: source <(callao completion bash)
      zsh:  source <(callao completion zsh)
      fish: callao completion fish | source
      PowerShell: callao completion powershell | Out-String | Invoke-Expression
    """
    from click.shell_completion import get_completion_class

    from callao.cli.parsing import powershell

    powershell.register()
    kind = get_completion_class(shell)
    assert kind is not None
    root = click.get_current_context().find_root().command
    echo(kind(root, {}, program_name(), completion_variable()).source())
