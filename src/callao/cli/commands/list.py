# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao list``: as a table, as JSON or YAML, or by a format of one's own."""

from __future__ import annotations

import fnmatch

from callao.cli.parsing.syntax import Argument, Option, Syntax, UsageError
from callao.cli.session import Session, tell, warn
from callao.cli.terminal.output import echo, show_all, show_table
from callao.config.sizes import format_size
from callao.instances.broken import broken_error
from callao.instances.index import IndexedInstance, indexed_instances
from callao.instances.status import Status

SYNTAX = Syntax(
    "list",
    (
        Option("form", ("-f", "--format"),
               "table, json, yaml, or a template: '{{.Name}}', or '{{ name }}' (Jinja2).", "FORMAT",
               default="table"),
        Option("as_json", ("--json",), "The same as --format=json: one object a line."),
        Option("as_yaml", ("--yaml",), "The same as --format=yaml."),
        Option("quiet", ("-q", "--quiet"), "Names only."),
        Option("all_fields", ("--all-fields",), "Show all columns of the table."),
        Option("list_fields", ("--list-fields",), "List the fields that a format knows, and exit."),
    ),
    (Argument("patterns", "[INSTANCE]...", complete="instances", many=True),),
)  # fmt: skip

_COLUMNS = ("NAME", "STATUS", "SSH", "VMTYPE", "ARCH", "CPUS", "MEMORY", "DISK", "DIR")
_ALL = (*_COLUMNS, "PROTECTED", "ERRORS")


def run(
    run: Session,
    patterns: tuple[str, ...],
    form: str,
    as_json: bool,
    as_yaml: bool,
    quiet: bool,
    all_fields: bool,
    list_fields: bool,
) -> int:
    """List instances.

    Names may have wildcards.

    \b
      callao list --format '{{.Name}}\t{{.SSHLocalPort}}'
      callao list --json | jq -r 'select(.status == "Running").name'
    """
    if sum((as_json, as_yaml, quiet)) > 1:
        raise UsageError("--json, --yaml and --quiet exclude each other.")
    form = "json" if as_json else "yaml" if as_yaml else form
    if list_fields:
        from callao.cli.terminal.fields import FIELDS

        echo("\n".join(FIELDS))
        return 0
    found, status = _chosen(indexed_instances(run.home), patterns)
    if quiet:
        for each in found:
            echo(each.name)
    elif form == "table":
        _table(run, found, _ALL if all_fields else _COLUMNS, status)
    else:
        _formatted(run, found, form)
    return status


def _chosen(every: list[IndexedInstance], patterns: tuple[str, ...]) -> tuple[list[IndexedInstance], int]:
    """The instances that match, in the order of the patterns; 1 when a pattern matches none, as limactl."""
    if not patterns:
        return every, 0
    status = 0
    chosen: dict[str, IndexedInstance] = {}
    for pattern in patterns:
        fits = {each.name: each for each in every if fnmatch.fnmatchcase(each.name, pattern)}
        if not fits:
            warn(f"No instance matches {pattern!r}.")
            status = 1
        chosen = {**chosen, **{name: each for name, each in fits.items() if name not in chosen}}
    return list(chosen.values()), status


def _table(run: Session, found: list[IndexedInstance], columns: tuple[str, ...], status: int) -> None:
    if not found:
        if not status:
            tell(f"There is no instance in {run.home} yet. Make one: callao start")
        return
    show_table([columns, *([_cell(each, column) for column in columns] for each in found)])
    for each in found:
        if each.status is Status.BROKEN:
            warn(str(broken_error(each.name, each.errors)))


def _cell(each: IndexedInstance, column: str) -> str:
    config = each.config
    match column:
        case "NAME":
            return each.name
        case "STATUS":
            return each.status.value
        case "SSH":
            return each.reach.label if each.reach else "-"
        case "VMTYPE":
            return config.vm_type or "-"
        case "ARCH":
            return config.arch or "-"
        case "CPUS":
            return str(config.cpus or "-")
        case "MEMORY":
            return format_size(config.memory) if config.memory else "-"
        case "DISK":
            return format_size(config.disk) if config.disk else "-"
        case "DIR":
            return str(each.dir)
        case "PROTECTED":
            return "yes" if each.protected else "no"
        case _:
            return "; ".join(each.errors) or "-"


def _formatted(run: Session, found: list[IndexedInstance], form: str) -> None:
    from callao.cli.terminal.fields import instance_fields, renderer
    from callao.instances import inspect

    every = [instance_fields(inspect(each.name, run.home, run.host), run.home, run.host) for each in found]
    show_all(every, form, renderer)
