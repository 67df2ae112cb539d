# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao edit``: lima.yaml in an editor, or changed by flags."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from callao.cli.create import DEFAULT
from callao.cli.existing import bring, look
from callao.cli.options import Command, configuration
from callao.cli.session import Session, session, tell
from callao.errors import CallaoError, ConfigError
from callao.instances import Instance

_SUFFIX = ".lima.yaml"
"""So that the editor's schema association finds it, see docs/lima-yaml.md."""


@click.command("edit", cls=Command)
@click.argument("instance", default=DEFAULT, metavar="[INSTANCE|FILE]")
@configuration
def command(instance: str, **flags: Any) -> None:
    """Change an instance, in an editor or by flags.

    What a running machine can take over it does at once; the rest takes hold at its next start.
    An editor's text that has mistakes is offered again, with all of them named.

    \b
      callao edit web --disk 20
      callao edit web --set '.env.STAGE = "test"'
    """
    run = session()
    path = Path(instance)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        _file(run, path, flags)
        return
    found = look(run, instance)
    from callao.cli.overrides import given, overridden

    if given(flags):
        _apply(run, found, document=overridden(found.document, flags))
    else:
        _in_editor(run, found)


def _in_editor(run: Session, found: Instance) -> None:
    before = found.paths.lima_yaml.read_text(encoding="utf-8")
    text = before
    while True:
        text = edited(text, run)
        if text == before:
            tell("Nothing was changed.")
            return
        try:
            document = _parsed(text)
            _apply(run, found, document=document, text=text)
        except ConfigError as error:
            tell(f"{click.style('callao: ', fg='red')}{error}")
            if not run.tty or not click.confirm("Edit it again?", default=True, err=True):
                raise
        else:
            return


def _parsed(text: str) -> Mapping[str, object]:
    from callao.config import load

    return load(text, "lima.yaml")


def _apply(run: Session, found: Instance, **wanted: Any) -> None:
    if bring(run, found.name, "present", restart="never", **wanted):
        tell(f"Changed {found.name}.")
    else:
        tell(f"{found.name} is so already.")


def _file(run: Session, path: Path, flags: Mapping[str, Any]) -> None:
    """A lima.yaml that no instance has yet."""
    from callao.cli.overrides import given, overridden
    from callao.config import dump
    from callao.instances.files import write_file

    before = path.read_text(encoding="utf-8")
    text = dump(overridden(_parsed(before), flags)) if given(flags) else edited(before, run)
    _parsed(text)
    write_file(path, text.encode(), mode=path.stat().st_mode & 0o777)


def edited(text: str, run: Session) -> str:
    """What the user's editor makes of ``text``.

    :raises CallaoError: when there is no editor, or it fails.
    """
    program = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ("vi" if run.tty else "")
    if not program:
        raise CallaoError("EDITOR is not set, and nobody is at a terminal.", hint="Use flags or --set.")
    with tempfile.NamedTemporaryFile("w+", suffix=_SUFFIX, encoding="utf-8") as file:
        file.write(text)
        file.flush()
        try:
            done = subprocess.run([*shlex.split(program), file.name], check=False)
        except OSError as error:
            raise CallaoError(f"EDITOR: {program!r} cannot be run: {error.strerror}.") from error
        if done.returncode != 0:
            raise CallaoError(
                f"EDITOR: {program!r} ended with status {done.returncode}; nothing was changed."
            )
        return Path(file.name).read_text(encoding="utf-8")
