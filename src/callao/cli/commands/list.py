# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao list``: as a table, as JSON or YAML, or by a format of one's own."""

from __future__ import annotations

import fnmatch
from typing import Any

from callao.cli.parsing.syntax import Argument, Option, Syntax, UsageError
from callao.cli.session import Session, warn
from callao.cli.terminal.messages import Dialect
from callao.cli.terminal.output import echo, failed, show_all, show_table, show_values
from callao.config.sizes import format_size
from callao.errors import CallaoError
from callao.instances.broken import broken_error
from callao.instances.index import IndexedInstance, indexed_instances
from callao.instances.status import Status

SYNTAX = Syntax(
    "list",
    (
        Option("form", ("-f", "--format"),
               "table, json, yaml, or a template: '{{.Name}}' (Go), or '{{ name }}' (Jinja2).", "FORMAT"),
        Option("queries", ("--yq",), "Print what a yq expression finds in each instance: '.config.cpus'.",
               "EXPRESSION", many=True),
        Option("filters", ("-l", "--filter"), "Only instances for which a yq expression is true.",
               "EXPRESSION", many=True),
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
    queries: tuple[str, ...],
    filters: tuple[str, ...],
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
      callao list --filter '.status == "Running"' --yq .name
    """
    if as_json and as_yaml:
        raise UsageError("--json, --yaml and --quiet exclude each other.")
    if as_json and form:
        raise UsageError("option --json conflicts with option --format")
    form = "json" if as_json else "yaml" if as_yaml else form or ("json" if queries else "table")
    if queries and form not in ("json", "yaml"):
        raise UsageError("option --yq only works with --format json or yaml")
    if quiet and form != "table" and not queries:
        raise UsageError("option --quiet can only be used with '--format table'")
    if list_fields:
        from callao.cli.terminal.fields import FIELDS, UNLISTED

        echo("\n".join(each for each in FIELDS if each not in UNLISTED))
        return 0
    every = indexed_instances(run.home)
    if not every and not patterns:
        warn(f"There is no instance in {run.home} yet. Make one: callao start")
        return 0
    found, status = _chosen(every, patterns)
    values = _fields(run, found) if filters or queries or form != "table" else {}
    if filters:
        found = _passing(found, values, filters)
    if quiet and not queries:
        for each in found:
            echo(each.name)
        return status
    for each in found:
        if each.status is Status.BROKEN:
            warn(str(broken_error(each.name, each.errors)))
    if queries:
        _queried([values[each.name] for each in found], (*queries, ".name") if quiet else queries, form)
    elif form == "table":
        _table(run, found, _ALL if all_fields else _COLUMNS)
    else:
        _formatted([values[each.name] for each in found], form, run.dialect)
    if status and run.dialect is Dialect.LIMACTL:
        failed("unmatched instances")
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


def _table(run: Session, found: list[IndexedInstance], columns: tuple[str, ...]) -> None:
    if found or run.dialect is Dialect.LIMACTL:
        show_table([columns, *([_cell(each, column) for column in columns] for each in found)])


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


def _fields(run: Session, found: list[IndexedInstance]) -> dict[str, dict[str, Any]]:
    """What formats and expressions show, by the instances' names."""
    from callao.cli.terminal.fields import instance_fields
    from callao.instances import inspect

    return {
        each.name: instance_fields(inspect(each.name, run.home, run.host), run.home, run.host)
        for each in found
    }


def _passing(
    found: list[IndexedInstance], values: dict[str, dict[str, Any]], filters: tuple[str, ...]
) -> list[IndexedInstance]:
    from callao.config.yq_expression import YqError, evaluate_yq, piped

    expression = piped(f"select({each})" for each in filters)
    try:
        return [each for each in found if evaluate_yq(expression, values[each.name])]
    except YqError as error:
        raise CallaoError(f"failed to apply filter: {error}") from None


def _queried(values: list[dict[str, Any]], queries: tuple[str, ...], form: str) -> None:
    from callao.config.yq_expression import evaluate_yq, piped

    expression = piped(queries)
    for each in values:
        show_values(evaluate_yq(expression, each), form)


def _formatted(values: list[dict[str, Any]], form: str, dialect: Dialect) -> None:
    from callao.cli.terminal.fields import needs_go, renderer, with_escapes

    if dialect is not Dialect.LIMACTL and not needs_go(form):
        show_all(values, form, renderer)
        return
    from callao.cli.terminal.go_format import go_renderer

    show_all(values, form if dialect is Dialect.LIMACTL else with_escapes(form), go_renderer)
