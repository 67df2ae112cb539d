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

from callao.cli.arguments import complete
from callao.cli.arguments.defaults import with_defaults
from callao.cli.arguments.existing import DEFAULT, ensure_instance, existing_instance
from callao.cli.parsing.options import Command, boolean, configuration
from callao.cli.session import Session, session, tell, warn, warn_all
from callao.config import Config
from callao.errors import CallaoError, ConfigError, InstanceOvertaken
from callao.instances import Instance
from callao.instances.broken import require_config

_SUFFIX = ".lima.yaml"
"""So that the editor's schema association finds it, see docs/lima-yaml.md."""

_ODD_BYTES = "surrogateescape"
"""Bytes that are not UTF-8 reach the editor as they are, to be mended there."""


@click.command("edit", cls=Command)
@click.argument(
    "instance", default=DEFAULT, metavar="[INSTANCE|FILE]", shell_complete=complete.instances_or_files
)
@boolean("--start", help="Start the instance afterwards.")
@configuration
def command(instance: str, start: bool | None, **flags: Any) -> None:
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
    found = existing_instance(run, instance)
    from callao.cli.arguments.overrides import edit_by

    if (edit := edit_by(flags)) is not None:
        require_config(found, f"Mend it in an editor: callao edit {instance}")
        if ensure_instance(run, found.name, "present", restart="never", edit=edit):
            tell(f"Changed {found.name}.")
        else:
            tell(f"{found.name} is so already.")
    else:
        _edit_until_valid(run, found)
    if start:
        ensure_instance(run, found.name, "started")


def _edit_until_valid(run: Session, found: Instance) -> None:
    before = _read_text(found.paths.lima_yaml)
    text = before
    while True:
        text = edited(text, run)
        if text == before:
            tell("Nothing was changed.")
            return
        try:
            _apply(run, found, text, before)
        except CallaoError as error:
            words = _problem_lines(error, text, "lima.yaml")
            if not run.can_ask or isinstance(error, InstanceOvertaken):
                raise CallaoError(words, hint=_save_text(text)) from None
            tell(words, mark="callao: ", fg="red")
            if not click.confirm("Edit it again?", default=True, err=True):
                raise CallaoError(f"{found.name} stays as it was.", hint=_save_text(text)) from None
        else:
            tell(f"Changed {found.name}.")
            return


def _apply(run: Session, found: Instance, text: str, before: str) -> None:
    """Apply the edited text to the instance, and write it to lima.yaml with its comments."""
    from callao.atomic import write_file
    from callao.config import effective
    from callao.instances.lock import instance_lock

    document = _parse_or_none(text)
    if found.config is None:  # broken: no plan starts from there, and a lima.yaml that can be is the cure
        effective(document, run.host, name=found.name, instance_dir=found.dir)
    else:
        text, document = _with_fixed_fields(text, document, found.config)
        wish = {"document": document, "text": text, "expected_text": before}
        if ensure_instance(run, found.name, "present", restart="never", **wish):
            return
    with instance_lock(found.name, run.home):
        if _read_text(found.paths.lima_yaml) != before:
            raise InstanceOvertaken(f"another run has changed {found.paths.lima_yaml} meanwhile.")
        write_file(found.paths.lima_yaml, text.encode())


def _read_text(path: Path) -> str:
    """The text of a lima.yaml, also of one that is not there, or not UTF-8: the editor is to mend it.

    :raises CallaoError: when it cannot be read at all.
    """
    try:
        return path.read_bytes().decode("utf-8", _ODD_BYTES)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise CallaoError(f"{path} cannot be read: {error.strerror}.") from error


def _with_fixed_fields(
    text: str, document: Mapping[str, object], config: Config
) -> tuple[str, Mapping[str, object]]:
    """Adds the two fields that never change, because the engine would write them itself."""
    from callao.config.patch import patched

    lacking = {
        key: value
        for key, value in (("vmType", config.vm_type.value), ("arch", config.arch.value))
        if key not in document
    }
    whole = {**document, **lacking}
    longer = patched(text, whole)
    return (text, document) if longer is None else (longer, whole)


def _problem_lines(error: CallaoError, text: str, source: str) -> str:
    """The mistakes with their lines in the edited text."""
    from callao.config import locate_problems

    if isinstance(error, ConfigError):
        return str(ConfigError(locate_problems(error.problems, text), source=source))
    return str(error)


def _save_text(text: str) -> str:
    """Save the edited text to a temporary file; returns the hint that names it."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="callao-rejected-", suffix=_SUFFIX, encoding="utf-8", delete=False
    ) as file:
        file.write(text)
    return f"What was written is kept in {file.name}."


def _parse_or_none(text: str) -> Mapping[str, object]:
    from callao.config import load

    return load(text, "lima.yaml")


def _file(run: Session, path: Path, flags: Mapping[str, Any]) -> None:
    """A lima.yaml that no instance has yet."""
    from callao.atomic import write_file
    from callao.cli.arguments.overrides import any_given, apply_flags
    from callao.config import dump
    from callao.config.patch import patched

    before, kept = path.read_text(encoding="utf-8"), True
    if any_given(flags):
        changed = apply_flags(_parse_or_none(before), flags)
        patch = patched(before, changed)
        text, kept = (dump(changed), False) if patch is None else (patch, True)
    else:
        text = edited(before, run)
    if text == before:
        tell("Nothing was changed.")
        return
    try:
        _check_template(run, path, text)
    except ConfigError as error:
        words = _problem_lines(error, text, str(path))
        raise CallaoError(words, hint="" if any_given(flags) else _save_text(text)) from None
    mode = path.stat().st_mode & 0o777
    if not kept:
        backup = path.with_name(f"{path.name}.bak")
        write_file(backup, before.encode(), mode=mode)
        warn(f"Not all comments of {path} could stay; as it was before it is in {backup}.")
    write_file(path, text.encode(), mode=mode)
    tell(f"Changed {path}.")


def _check_template(run: Session, path: Path, text: str) -> None:
    from callao.offline import network_access_of_environment
    from callao.templates import resolve_text

    access = network_access_of_environment()
    resolved = resolve_text(text, str(path.absolute()), run.home, access=access, report=run.report)
    warn_all(resolved.notices)
    with_defaults(run, resolved.document, "box")


def edited(text: str, run: Session) -> str:
    """The text that the user's editor returns for ``text``.

    :raises CallaoError: when there is no editor, or it fails.
    """
    program = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ("vi" if run.tty else "")
    if not program:
        raise CallaoError("EDITOR is not set, and nobody is at a terminal.", hint="Use flags or --set.")
    with tempfile.TemporaryDirectory(prefix="callao-") as folder:
        file = Path(folder) / f"edit{_SUFFIX}"
        file.write_bytes(text.encode("utf-8", _ODD_BYTES))
        try:
            done = subprocess.run([*shlex.split(program), str(file)], check=False)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise CallaoError(f"EDITOR: {program!r} cannot be run: {reason}.") from error
        if done.returncode != 0:
            raise CallaoError(
                f"EDITOR: {program!r} ended with status {done.returncode}; nothing was changed."
            )
        try:
            return file.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CallaoError(f"EDITOR: the file that {program!r} wrote cannot be read: {error}.") from None
