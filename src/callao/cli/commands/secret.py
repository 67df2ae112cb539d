# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao secret``: values that a guest gets in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import ensure_instance, existing_instance
from callao.cli.parsing.group import CommandGroup
from callao.cli.parsing.options import Command
from callao.cli.session import session, tell
from callao.cli.terminal.output import echo, show_table
from callao.errors import CallaoError

if TYPE_CHECKING:
    from callao.lifecycle.secrets import SecretReport  # not for --help

Document = dict[str, Any]


@click.group("secret", cls=CommandGroup)
def command() -> None:
    """Manage the secrets of instances."""


@command.command("set", cls=Command)
@click.argument("instance", shell_complete=complete.instances)
@click.argument("sources", nargs=-1, required=True, metavar="NAME=FILE|env:VAR...")
def set_secrets(instance: str, sources: tuple[str, ...]) -> None:
    """Add secrets, or read their sources again.

    lima.yaml keeps the source, never the value. A running guest has the value at once, in
    /run/callao/secrets/NAME.

    \b
      callao secret set web API_TOKEN=env:API_TOKEN deploy_key=~/.ssh/deploy
    """
    from callao.cli.arguments.overrides import entries, with_sources
    from callao.lifecycle.secrets import give_secrets

    def edit(document: Mapping[str, Any]) -> Document:
        return {**document, "secrets": with_sources(entries(document, "secrets"), sources, "secret set")}

    run = session()
    names = [each.partition("=")[0] for each in sources]
    ensure_instance(run, instance, "present", edit=edit)
    found = existing_instance(run, instance)
    assert found.config is not None
    wanted = [each for each in found.config.secrets if each.name in names]
    if found.ready:
        give_secrets(found, wanted, {})
        tell(f"{instance} has {', '.join(names)}.")
    else:
        tell(f"{instance} gets {', '.join(names)} when it starts.")


@command.command("remove", cls=Command)
@click.argument("instance", shell_complete=complete.instances)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def remove(instance: str, names: tuple[str, ...]) -> None:
    """Remove secrets from the guest and from lima.yaml.

    Programs that have read one may still have it.
    """
    from callao.cli.arguments.overrides import entries

    def edit(document: Mapping[str, Any]) -> Document:
        listed = entries(document, "secrets")
        known = [each.get("name") for each in listed if isinstance(each, dict)]
        for name in names:
            if name not in known:
                there = ", ".join(map(str, known)) or "none"
                raise CallaoError(f"secret remove: {instance} has no {name!r} (existing: {there}).")
        kept = [each for each in listed if not isinstance(each, dict) or each.get("name") not in names]
        return {**document, "secrets": kept}

    ensure_instance(session(), instance, "present", edit=edit)
    tell(f"Removed {', '.join(names)} from {instance}.")


@command.command("list", cls=Command)
@click.argument("instance", shell_complete=complete.instances)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_secrets(instance: str, as_json: bool) -> None:
    """List the names of secrets, where they come from, and whether the guest has them."""
    from callao.lifecycle.secrets import secrets_of

    found = secrets_of(existing_instance(session(), instance))
    if as_json:
        for each in found:
            echo(json.dumps(each))
    elif found:
        rows = [(str(each["name"]), _place(each), str(each["source"]) or "-") for each in found]
        show_table([("NAME", "GIVEN", "SOURCE"), *rows])
    else:
        tell(f"{instance} has no secrets. Add one: callao secret set {instance} NAME=FILE")


def _place(each: SecretReport) -> str:
    if not each["given"]:
        return "no"
    return "to servers" if each["inject"] else "to the guest"
