# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao schema``."""

from __future__ import annotations

import json

import click

from callao.cli.parsing.options import Command
from callao.cli.terminal.output import echo


@click.command("schema", cls=Command)
def command() -> None:
    """Print the JSON Schema of lima.yaml.

    For editors, and other tools that check files.

    \b
      callao schema > lima.schema.json
      # yaml-language-server: $schema=lima.schema.json     (first line of a lima.yaml)
    """
    from callao.config.jsonschema import json_schema

    echo(json.dumps(json_schema(), indent=2))
