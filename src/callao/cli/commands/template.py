# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao template``: lists, shows and resolves templates."""

from __future__ import annotations

from pathlib import Path

import click

from callao.cli.arguments import complete
from callao.cli.arguments.defaults import with_defaults
from callao.cli.commands import validate
from callao.cli.parsing.group import CommandGroup
from callao.cli.parsing.options import Command
from callao.cli.session import session, tell, warn_all
from callao.cli.terminal.output import echo, show_values, show_yaml
from callao.errors import CallaoError


@click.group("template", cls=CommandGroup)
def command() -> None:
    """List, show and copy templates."""


@command.command("list", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="One JSON object with each template's location.")
def list_templates(as_json: bool) -> None:
    """List the built-in templates, and the user's own."""
    from callao.templates import all_names, find

    run = session()
    every = all_names(run.home)
    if as_json:
        import json

        echo(json.dumps({name: find(name, run.home).location for name in every}, indent=2))
    else:
        echo("\n".join(every))


@command.command("show", cls=Command)
@click.argument("reference", metavar="TEMPLATE", shell_complete=complete.templates)
@click.option("--fill", is_flag=True, help="With every default filled in.")
@click.option("--original", is_flag=True, help="The text as it is written, bases not taken in.")
@click.option("--query", metavar="EXPRESSION", help="Print what a jq expression finds: '.images[].arch'.")
def show(reference: str, fill: bool, original: bool, query: str | None) -> None:
    """Print a template, its bases taken in."""
    show_yaml(_text(reference, fill=fill, original=original, query=query))


@command.command("copy", cls=Command)
@click.argument("reference", metavar="TEMPLATE", shell_complete=complete.templates)
@click.argument("destination", metavar="[FILE]", default="-")
@click.option("--fill", is_flag=True, help="With every default filled in.")
@click.option("--embed-all", "--embed", is_flag=True, help="With its bases taken in.")
@click.option("--verbatim", is_flag=True, help="The text as it is written; the default.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def copy(reference: str, destination: str, fill: bool, embed_all: bool, verbatim: bool, force: bool) -> None:
    """Copy a template to FILE, or to standard output (-)."""
    if verbatim and (fill or embed_all):
        raise click.UsageError("--verbatim cannot be used with --fill, --embed or --embed-all.")
    text = _text(reference, fill=fill, original=not (fill or embed_all))
    if destination == "-":
        show_yaml(text)
        return
    path = Path(destination)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CallaoError(f"{path} exists already.", hint="Replace it with --force.") from None
    except OSError as error:
        raise CallaoError(f"{path} cannot be written: {error.strerror}.") from error
    tell(f"Wrote {path}.")


@command.command("url", cls=Command)
@click.argument("reference", metavar="LOCATOR", shell_complete=complete.templates)
def url(reference: str) -> None:
    """Print the URL that a locator of github: or of a URL plugin stands for; others as they are."""
    from callao.templates import find
    from callao.templates.url_plugins import translate_locator

    locator = translate_locator(reference)
    echo(find(locator, session().home).location if locator.lower().startswith("github:") else locator)


@command.command("yq", cls=Command)
@click.argument("reference", metavar="TEMPLATE", shell_complete=complete.templates)
@click.argument("expression")
def yq(reference: str, expression: str) -> None:
    """Print what a yq expression finds in a template, its bases taken in and every default filled in.

    \b
      callao template yq debian-12 .images[].arch
    """
    from callao.config import load
    from callao.config.yq_expression import evaluate_yq

    document = load(_text(reference, fill=True, original=False), reference)
    show_values(evaluate_yq(expression, document), "yaml")


command.add_command(validate.command, "validate")


def _text(reference: str, *, fill: bool, original: bool, query: str | None = None) -> str:
    from callao.config import dump, merge_texts, query_document, to_document
    from callao.offline import network_access_of_environment
    from callao.templates import Bases, find, resolve
    from callao.templates.read import Reader

    run = session()
    access = network_access_of_environment()
    if original:
        return Reader(run.home, access, run.report).text(find(reference, run.home))
    bases = Bases.WITH_USERS if fill else Bases.OWN
    resolved = resolve(reference, run.home, access=access, report=run.report, bases=bases)
    warn_all(resolved.notices)
    document = resolved.document
    if fill:
        document = to_document(with_defaults(run, document, resolved.name))
    if query:
        return query_document(document, query)
    return dump(document) if fill else merge_texts(resolved.texts, document)
