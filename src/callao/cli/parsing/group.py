# SPDX-License-Identifier: GPL-3.0-or-later
"""Command groups, such as ``callao disk``: without a verb they print their help, exit 0, as limactl does."""

from __future__ import annotations

from typing import Any

import click

from callao.cli.terminal.output import echo

LIST_AND_DELETE = {"ls": "list", "remove": "delete", "rm": "delete"}
"""limactl's aliases of the verbs of a group that lists and deletes."""


class CommandGroup(click.Group):
    """A group whose verbs may have aliases, such as ``ls`` for ``list``."""

    def __init__(
        self, *arguments: Any, verb_aliases: dict[str, str] | None = None, **attributes: Any
    ) -> None:
        super().__init__(*arguments, **attributes)
        self.verb_aliases = verb_aliases or {}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, self.verb_aliases.get(cmd_name, cmd_name))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if (
            not args and not ctx.resilient_parsing
        ):  # click itself exits with 2 or 0, depending on its version
            echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)
