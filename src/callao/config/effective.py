# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes the effective configuration of a document on this host, or reports every problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from callao.config.coercion import coerce, schema_problems
from callao.config.defaults import apply_plain, fill
from callao.config.driver_choice import default_vm_type
from callao.config.expand import expand
from callao.config.lima_version import lima_version_of
from callao.config.mounts import fill_mounts
from callao.config.named_networks import name_problems, overlap_warnings
from callao.config.names import check_socket_path
from callao.config.rules import rule_problems
from callao.config.schema import Config
from callao.errors import ConfigError, Problem, ignore_warning
from callao.host import Host

_PLACEHOLDERS: dict[str, Any] = {"images": [{"location": "/"}]}
"""Values for required fields that are invalid: prevents a second problem about the same field."""


def check_schema(document: Mapping[str, object], *, source: str = "", text: str = "") -> None:
    """Check a partial document: keys, types, enumerations and ranges. An unknown key, which
    :func:`effective` only warns of, is a problem here.

    :param source: the document's file, for messages.
    :param text: the YAML that it was loaded from, if any: adds lines and columns to the problems.
    :raises ConfigError: with every problem.
    """
    problems = schema_problems(document)
    if problems:
        raise _config_error(problems, source, text)


def effective(
    document: Mapping[str, object],
    host: Host,
    *,
    name: str,
    instance_dir: Path,
    current_dir: Path | None = None,
    source: str = "",
    text: str = "",
    warn: Callable[[Problem], None] = ignore_warning,
) -> Config:
    """The configuration with every default filled in and every reference replaced.

    :param instance_dir: the instance's folder, which may not exist yet.
    :param current_dir: its present folder, when it is going to be renamed; ``instance_dir`` by default.
    :param source: the document's file, for messages.
    :param text: the YAML that all of it was loaded from, if any: adds lines and columns to the problems.
    :param warn: called with each field that has no effect here, or an unexpected one.
    :raises ConfigError: with every problem and its field.
    """
    check_socket_path(instance_dir)
    given = document.get("vmType")
    vm_type = given if isinstance(given, str) else default_vm_type(document, host)
    shaped, problems, unknown = coerce(document, vm_type)
    wrong = {problem.path.partition(".")[0].partition("[")[0] for problem in problems}
    sound = {key: value for key, value in shaped.items() if key not in wrong}
    for key in wrong & _PLACEHOLDERS.keys():
        sound[key] = _PLACEHOLDERS[key]
    filled = fill(
        sound, host, instance_dir=instance_dir, lima_version_of=lima_version_of(current_dir or instance_dir)
    )
    made = expand(filled, host, name=name, instance_dir=instance_dir)
    expanded = {**made.document, "mounts": fill_mounts(made.document["mounts"], host.user.home)}
    problems += made.problems + rule_problems(expanded, given=sound, sockets=instance_dir / "sock")
    problems += name_problems(expanded["networks"], instance_dir.parent, host)
    if problems:
        raise _config_error(problems, source, text)
    for warning in (*unknown, *made.warnings):
        warn(warning)
    for warning in (
        overlap_warnings(expanded["networks"], instance_dir.parent) if warn is not ignore_warning else ()
    ):
        warn(warning)
    try:
        config = msgspec.convert(apply_plain(expanded) if expanded.get("plain") else expanded, Config)
    except msgspec.ValidationError as error:
        problem = Problem(".", "", str(error), "see lima.yaml's documentation")
        raise _config_error([problem], source, text) from error
    if warn is not ignore_warning and "{{" in config.message:
        from callao.config.message import message_problem

        wrong_message = message_problem(config, host, name=name, instance_dir=instance_dir)
        if wrong_message is not None:
            warn(wrong_message)
    return config


def _config_error(problems: list[Problem], source: str, text: str) -> ConfigError:
    if text:
        from callao.config.positions import locate_problems

        problems = locate_problems(problems, text)
    return ConfigError(problems, source=source)
