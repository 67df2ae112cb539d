# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao create`` and the half of ``callao start`` that makes a new instance."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from callao.cli.arguments import complete
from callao.cli.arguments.existing import DEFAULT, ensure_instance
from callao.cli.parsing.options import Command, configuration, image_choice, lists, timeout, warm
from callao.cli.session import Session, session, tell, warn, warn_all
from callao.cli.terminal.messages import Dialect
from callao.config.names import is_instance_name, is_template_file
from callao.errors import CallaoError
from callao.host import expand_user

if TYPE_CHECKING:
    from callao.templates import Resolved


@click.command("create", cls=Command)
@click.argument("template", required=False, shell_complete=complete.templates)
@click.option("--name", help="The instance's name (default: the template's).")
@lists
@configuration
@image_choice
@warm
@timeout
def command(template: str | None, name: str | None, timeout: float, **flags: Any) -> None:
    """Create an instance without starting it.

    TEMPLATE is a template's name (see 'callao template list'), a file, an https:// address,
    github:OWNER/REPO, or - for standard input.

    \b
      callao create --name web debian-12 --cpus 2 --memory 2
    """
    new(session(), template, name, flags, state="present", timeout=timeout)


def new(
    run: Session,
    template: str | None,
    name: str | None,
    flags: Mapping[str, Any],
    *,
    state: str,
    timeout: float,
) -> str:
    """Make an instance from a template; returns its name.

    :param template: the template that the user named.
    :raises CallaoError: when there is one of that name already, or the user changes his mind.
    """
    from callao.cli.arguments.overrides import any_given, apply_flags
    from callao.instances import instance_names
    from callao.offline import network_access_of_environment
    from callao.templates import resolve, resolve_text

    access = network_access_of_environment()
    if run.dialect is Dialect.LIMACTL and template is not None and _can_name_instance(template):
        template, name = _default_for(template, name)
    reference = template or DEFAULT
    asked = run.can_ask and (run.dialect is Dialect.LIMACTL or (template is None and not any_given(flags)))
    if asked and reference != "-":
        from callao.cli.arguments.creation_menu import confirmed_template

        reference, resolved = confirmed_template(run, name, reference)
    elif reference == "-":
        resolved = resolve_text(sys.stdin.read(), "-", run.home, access=access, report=run.report)
    else:
        resolved = resolve(reference, run.home, access=access, report=run.report)
    warn_all(resolved.notices)
    chosen = name or ("" if reference == "-" else instance_name(resolved))
    if not chosen:
        raise CallaoError("--name: is needed with a template from standard input.")
    if chosen in instance_names(run.home):
        raise CallaoError(
            f"instance {chosen!r} exists already.",
            hint=f"Start it with 'callao start {chosen}', or choose another --name.",
        )
    ensure_instance(
        run,
        chosen,
        state,
        template=None if reference == "-" else stored(reference),
        document=apply_flags(resolved.document, flags),
        text=resolved.text,
        timeout=timeout,
    )
    return chosen


def _can_name_instance(text: str) -> bool:
    return is_instance_name(text) and not is_template_file(text)


def _default_for(instance: str, name: str | None) -> tuple[str, str]:
    """limactl takes a bare word for an instance's name, and the template ``default`` for it; returns both.

    :raises CallaoError: when ``--name`` gives another name.
    """
    if name not in (None, instance):
        raise CallaoError(
            f"instance name `{instance}` and CLI flag --name=`{name}` cannot be specified together"
        )
    if instance != DEFAULT:
        tell(
            f"Creating an instance `{instance}` from template:default (Not from template:{instance})",
        )
        warn(
            f"This form is deprecated. Use `limactl create --name={instance} template:default` instead",
        )
    return f"template:{DEFAULT}", instance


def instance_name(resolved: Resolved) -> str:
    """The default name of an instance that is made from the template."""
    return resolved.name


def stored(reference: str) -> str:
    """The reference as the instance keeps it: a path stays right wherever the next command runs."""
    path = expand_user(reference)
    return str(path.absolute()) if path.is_file() else reference
