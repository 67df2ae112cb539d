# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao start``."""

from __future__ import annotations

from typing import Any

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import DEFAULT, ensure_instance, existing_instance
from callao.cli.commands import create
from callao.cli.parsing.options import (
    Command,
    boolean,
    configuration,
    image_choice,
    lists,
    progress,
    timeout,
    warm,
)
from callao.cli.session import Session, session, tell, warn
from callao.config.names import is_instance_name
from callao.errors import TemplateError


@click.command("start", cls=Command)
@click.argument(
    "instance", metavar="[INSTANCE|TEMPLATE]", required=False, shell_complete=complete.instances_or_templates
)
@click.option("--name", help="The name of a new instance (default: the template's).")
@lists
@configuration
@image_choice
@warm
@boolean("--foreground", help="Stay until the instance stops; Ctrl-C stops it.")
@progress
@timeout
def command(
    instance: str | None,
    name: str | None,
    foreground: bool | None,
    progress: bool | None,
    timeout: float,
    **flags: Any,
) -> None:
    """Start an instance; create it first where there is none.

    \b
      callao start                      starts "default", made from the template of that name
      callao start web                  starts the instance "web"
      callao start --name web debian-13 makes and starts it
      callao start template:docker      the same, named "docker"
    """
    from callao.instances import instance_names

    run = session()
    run.shows_provision_log = progress is True
    existing = instance_names(run.home)
    wanted = name or instance or DEFAULT
    if wanted in existing and (name is None or instance in (None, name)):
        _start(run, wanted, flags, timeout)
    else:
        reference = instance or DEFAULT
        try:
            wanted = create.new(run, instance, name, flags, state="started", timeout=timeout)
        except TemplateError as error:
            if not is_instance_name(reference):
                raise
            known = ", ".join(existing) or "none"
            raise TemplateError(
                str(error), hint=f"There is no instance {reference!r} either (existing: {known})."
            ) from None
    welcome(run, wanted)
    if foreground:
        from callao.cli.foreground import stay

        stay(run, wanted)


def _start(run: Session, name: str, flags: dict[str, Any], timeout: float) -> None:
    from callao.cli.arguments.overrides import edit_by

    for flag in ("warm", "image_variant", "arch_variant"):
        if flags.pop(flag):
            warn(f"--{flag.replace('_', '-')}: has an effect on a new instance only, and {name} exists.")
    if not ensure_instance(run, name, "started", timeout=timeout, edit=edit_by(flags)):
        tell(f"{name} is running already.")


def welcome(run: Session, name: str) -> None:
    """The text for an instance that has become ready: its template's message, and how to log in."""
    from callao.cli.terminal.fields import message_of

    if text := message_of(existing_instance(run, name), run.host):
        tell(text.rstrip())
    tell(f"Ready. A shell in it: callao shell {name}")
