# SPDX-License-Identifier: GPL-3.0-or-later
"""The question before an instance is created at a terminal: proceed, edit, another template, or exit."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from callao.cli.session import Session, tell
from callao.cli.terminal.output import echo
from callao.errors import CallaoError

if TYPE_CHECKING:
    from callao.templates import Resolved


class _Answer(enum.StrEnum):
    PROCEED = "proceed"
    EDIT = "edit"
    TEMPLATE = "template"
    EXIT = "exit"


def confirmed_template(run: Session, name: str | None, reference: str) -> tuple[str, Resolved]:
    """The template that the user agrees to, with its reference.

    :param name: the new instance's name; None for the template's.
    :raises CallaoError: when the user wants no instance.
    """
    import click

    from callao.offline import network_access_of_environment
    from callao.templates import resolve, resolve_text

    access = network_access_of_environment()
    resolved = resolve(reference, run.home, access=access, report=run.report)
    run.close()  # the progress display, which would hide the question
    while True:
        tell(f"Creating the instance {name or resolved.name!r} from {reference}.")
        answer = click.prompt(
            "Proceed, edit the configuration, choose another template, or exit?",
            type=click.Choice(list(_Answer)), default=_Answer.PROCEED, err=True,
        )  # fmt: skip
        match _Answer(answer):
            case _Answer.PROCEED:
                return reference, resolved
            case _Answer.EDIT:
                from callao.cli.commands.edit import edited

                text = edited(resolved.text, run)
                resolved = resolve_text(text, reference, run.home, access=access, report=run.report)
            case _Answer.TEMPLATE:
                reference = _other_template(run)
                resolved = resolve(reference, run.home, access=access, report=run.report)
            case _Answer.EXIT:
                raise CallaoError("no instance was created.")


def _other_template(run: Session) -> str:
    import click

    from callao.templates import all_names

    echo("\n".join(all_names(run.home)))
    return str(click.prompt("Template", default="default", err=True))
