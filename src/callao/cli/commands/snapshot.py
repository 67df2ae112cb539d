# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao snapshot``: the snapshots of an instance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import existing_instance
from callao.cli.parsing.group import CommandGroup
from callao.cli.parsing.options import Command, timeout
from callao.cli.session import session, tell
from callao.cli.terminal.output import echo, show_all, show_table

F = TypeVar("F", bound=Callable[..., Any])

FIELDS = {"Tag": "name", "Created": "created", "Age": "age", "Memory": "memory", "Size": "size"}
"""As ``{{.Field}}`` has them, and as JSON does: seconds and bytes."""

_ALIASES = {"save": "create", "del": "delete", "load": "apply", "ls": "list"}
"""limactl's shorter names of the verbs."""

_AGES = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_SIZES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))


def _instance(function: F) -> F:
    return click.argument("instance", shell_complete=complete.instances)(function)


def _tag(function: F) -> F:
    return click.option(
        "--tag", required=True, metavar="NAME", shell_complete=complete.tags, help="The snapshot's name."
    )(function)


@click.group("snapshot", cls=CommandGroup, verb_aliases=_ALIASES)
def command() -> None:
    """Take, restore, list and delete snapshots."""


@command.command("create", cls=Command)
@_instance
@_tag
@timeout
def create(instance: str, tag: str, timeout: float) -> None:
    """Take a snapshot of an instance: disk and memory, or the disk of a stopped one.

    \b
      callao snapshot create web --tag pristine
    """
    from callao.lifecycle.snapshots.operations import take

    run = session()
    made = take(instance, tag, home=run.home, host=run.host, timeout=timeout, report=run.report)
    what = "disk and memory" if made.machine is not None else "its disk"
    tell(f"Kept {instance} as {tag}: {what}.")


@command.command("apply", cls=Command)
@_instance
@_tag
@timeout
def apply(instance: str, tag: str, timeout: float) -> None:
    """Restore a snapshot. What happened since is lost."""
    from callao.lifecycle.snapshots.operations import apply

    run = session()
    apply(instance, tag, home=run.home, host=run.host, timeout=timeout, report=run.report)
    tell(f"{instance} is as it was at {tag}.")


@command.command("delete", cls=Command)
@_instance
@_tag
@timeout
def delete(instance: str, tag: str, timeout: float) -> None:
    """Delete a snapshot. The instance stays as it is."""
    from callao.lifecycle.snapshots.operations import delete

    run = session()
    delete(instance, tag, home=run.home, host=run.host, timeout=timeout)
    tell(f"Deleted {tag} of {instance}.")


@command.command("list", cls=Command)
@_instance
@click.option("-f", "--format", "form", default="table", metavar="FORMAT",
              help="table, json, yaml, or a template: '{{.Tag}}', or '{{ name }}' (Jinja2).")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Names only.")
def list_snapshots(instance: str, form: str, quiet: bool) -> None:
    """List the snapshots of an instance, the oldest first."""
    from callao.lifecycle.snapshots.ensure import snapshots_of

    run = session()
    found = snapshots_of(existing_instance(run, instance))
    if quiet:
        for each in found:
            echo(each["name"])
    elif form != "table":
        show_all(found, form, _renderer)
    elif found:
        show_table([("TAG", "MEMORY", "SIZE", "AGE"), *map(_row, found)])
    else:
        tell(f"{instance} has no snapshot yet. Take one: callao snapshot create {instance} --tag NAME")


def _renderer(form: str) -> Callable[[Mapping[str, Any]], str]:
    from callao.cli.terminal.fields import renderer

    return renderer(form, FIELDS, f"The fields are {', '.join(FIELDS)}.")


def _row(each: Mapping[str, Any]) -> tuple[str, str, str, str]:
    memory = "yes" if each["memory"] else "no"
    return each["name"], memory, _in_units(each["size"], _SIZES), _in_units(each["age"], _AGES)


def _in_units(number: int, units: tuple[tuple[int, str], ...]) -> str:
    """In the largest unit of which there is one, rounded down."""
    factor, unit = next((pair for pair in units if number >= pair[0]), units[-1])
    return f"{number // factor}{unit}"
