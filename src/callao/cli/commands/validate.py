# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao validate``."""

from __future__ import annotations

from pathlib import Path

import click

from callao.cli.arguments import complete
from callao.cli.arguments.defaults import with_defaults
from callao.cli.parsing.options import Command
from callao.cli.session import Session, session, tell, warn, warn_all
from callao.cli.terminal.messages import Dialect, Level
from callao.cli.terminal.output import echo
from callao.errors import CallaoError, ConfigError, Problem


@click.command("validate", cls=Command)
@click.argument(
    "references", nargs=-1, required=True, metavar="FILE|TEMPLATE...", shell_complete=complete.templates
)
@click.option("--fill", is_flag=True, help="Print the whole configuration, defaults included.")
@click.option("--strict", is_flag=True, help="Refuse what is otherwise warned of, such as unknown keys.")
def command(references: tuple[str, ...], fill: bool, strict: bool) -> int:
    """Check lima.yaml files and templates.

    It says whether an instance could be made of them here. All mistakes of all of them are told; the exit
    status is 1 when there is one.
    """
    run = session()
    failed = 0
    for reference in references:
        try:
            text = _checked(run, reference, fill, strict)
        except ConfigError as error:
            failed = 1
            for problem in error.problems:
                tell(problem.with_source(reference), level=Level.FATAL)
        except CallaoError as error:
            failed = 1
            tell(f"{reference}: {error}", level=Level.FATAL)
        else:
            if fill:
                echo(text, nl=False)
            else:
                words = f"`{reference}`: OK" if run.dialect is Dialect.LIMACTL else reference
                tell(words, mark="✓ ", fg="green")
    return failed


def _checked(run: Session, reference: str, fill: bool, strict: bool) -> str:
    from callao.config import check_schema, dump, locate_problems, to_document
    from callao.lifecycle.unsupported import notices, refuse_impossible
    from callao.offline import network_access_of_environment
    from callao.templates import resolve

    path = Path(reference)
    resolved = resolve(reference, run.home, access=network_access_of_environment(), report=run.report)
    warn_all(resolved.notices)
    name = path.stem if path.stem.replace("-", "").isalnum() else "box"
    own_text = path.read_text(encoding="utf-8") if path.is_file() else ""
    warnings: list[Problem] = []
    try:
        if strict:
            check_schema(resolved.document, source=reference)
        config = with_defaults(run, resolved.document, name, warnings.append)
        refuse_impossible(config, name, run.host)
    except ConfigError as error:
        if own_text:
            raise ConfigError(locate_problems(error.problems, own_text)) from None
        raise
    for problem in locate_problems(warnings, own_text) if own_text else warnings:
        warn(problem.with_source(reference))
    for notice in notices(resolved.document, config):
        warn(f"{reference}: {notice}")
    return dump(to_document(config)) if fill else ""
