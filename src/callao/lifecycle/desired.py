# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes the configuration that a request asks for, given the existing instance."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from callao.config import check_schema, effective, merge, with_environment
from callao.errors import ConfigError, InstanceOvertaken, Problem
from callao.host import Host
from callao.instances import Desired, Instance
from callao.lifecycle.request import Request

if TYPE_CHECKING:
    from callao.lockfile import LockFile  # not imported by a task without a lock file
    from callao.templates import Resolved

DEFAULT_TEMPLATE = "default"


def desired(
    request: Request, actual: Instance | None, home: Path, host: Host, *, lock: LockFile | None
) -> Desired | None:
    """The desired state of the instance; None for an existing one that the request does not change.

    With a template, the template and ``config`` decide alone: a field that neither sets has its default
    again. What ``persist`` has written takes precedence over the template, and ``config`` over both.
    Without a template, an existing instance keeps its lima.yaml, and ``config`` changes the fields that it
    sets.

    :param lock: content of the lock file that the request names.
    :raises ConfigError: with every problem of the resulting configuration.
    :raises TemplateError: when there is no such template.
    :raises LockError: when the lock does not allow this.
    """
    check_schema(request.config, source="config")
    if lock is not None:
        from callao.lifecycle.lock_file import refuse_unlockable_options

        refuse_unlockable_options(request, lock, actual)
    is_new = actual is None or request.recreate
    if request.edit is not None and actual is not None:
        return _from_document(request, request.edit(actual.document), actual, home, host)
    if request.document is not None:
        _refuse_stale_edit(request, actual)
        return _from_document(request, request.document, None if is_new else actual, home, host)
    if not is_new and request.template is None:
        return _with_config(request, actual, home, host)
    if is_new and request.origin and request.template is None:
        return _from_source_instance(request, home, host)
    recorded = actual.record.template if actual is not None else ""
    reference = request.template or recorded or DEFAULT_TEMPLATE
    document, resolved = _from_template(reference, request, home, lock)
    if actual is None or is_new:
        new = _resolved(request, document, reference, home, host, resolved.text)
        return replace(new, notices=resolved.notices)
    document, notices = _with_persisted(_with_fixed_fields(document, actual), actual, request, host)
    found = _resolved(request, document, reference, home, host, current_dir=actual.dir)
    return replace(found, notices=(*resolved.notices, *notices))


def _with_persisted(
    document: dict[str, object], actual: Instance, request: Request, host: Host
) -> tuple[dict[str, object], tuple[str, ...]]:
    """``document`` with what ``persist`` has written for the instance, and the notices about that."""
    if not actual.paths.persisted.exists():
        return document, ()
    from callao.instances.persisted import read_persisted
    from callao.lifecycle.persisted_changes import EntryReader, merge_persisted

    asked = with_environment(request.config, os.environ)
    found = merge_persisted(
        document, asked, read_persisted(actual.paths), EntryReader(actual.name, actual.dir, host)
    )
    return found.document, found.notices


def _from_document(
    request: Request, document: Mapping[str, object], actual: Instance | None, home: Path, host: Host
) -> Desired:
    """The desired state where the request has a whole document: an existing instance's lima.yaml, or in
    place of a template for a new one."""
    if actual is not None:
        template = request.template or actual.template
        return _resolved(request, {**document}, template, home, host, request.text, actual.dir)
    from callao.templates import with_override_files

    layers = with_override_files(merge([request.config, document]), home, access=request.access)
    return _resolved(request, layers, request.template or "", home, host, request.text)


def _refuse_stale_edit(request: Request, actual: Instance | None) -> None:
    """:raises InstanceOvertaken: when lima.yaml has changed since the request was made from it."""
    if not request.expected_text or actual is None:
        return
    now = actual.paths.lima_yaml.read_bytes().decode("utf-8", "replace")
    if now != request.expected_text:
        raise InstanceOvertaken(
            f"instance {request.name!r}: another run has changed {actual.paths.lima_yaml} meanwhile.",
            hint="Edit it again, with what that run wrote.",
        )


def _from_source_instance(request: Request, home: Path, host: Host) -> Desired:
    """The configuration of the source instance, with ``config`` merged over it."""
    from callao.lifecycle.create_from import Source

    source = Source.of(request.origin, home, host).instance
    document = _without_duplicates(merge([with_environment(request.config, os.environ), source.document]))
    text = source.paths.lima_yaml.read_text(encoding="utf-8")
    return _resolved(request, document, source.template, home, host, text)


def _from_template(
    reference: str, request: Request, home: Path, lock: LockFile | None
) -> tuple[dict[str, object], Resolved]:
    from callao.templates import resolve, with_override_files

    resolved = resolve(reference, home, access=request.access)
    if lock is not None:
        from callao.lifecycle.lock_file import document_by_lock_file

        return document_by_lock_file(request, lock, reference, resolved, home), resolved
    document = with_override_files(merge([request.config, resolved.document]), home, access=request.access)
    return document, resolved


def _with_config(request: Request, actual: Instance | None, home: Path, host: Host) -> Desired | None:
    if actual is None or actual.config is None:
        return None
    if not request.config:
        if request.labels is None:
            return None
        return Desired(request.name, actual.document, actual.config, actual.template, request.label_texts())
    config = with_environment(request.config, os.environ)
    _refuse_unused_parameters(config, actual)
    document = _with_fixed_fields(_without_duplicates(merge([config, actual.document])), actual)
    return _resolved(request, document, actual.template, home, host, current_dir=actual.dir)


def _refuse_unused_parameters(config: Mapping[str, object], actual: Instance) -> None:
    """:raises ConfigError: naming each parameter of ``config`` that nothing uses."""
    if not config.get("param"):
        return
    from callao.config import unused_parameters

    problems = unused_parameters(config["param"], (config, actual.document))
    if problems:
        raise ConfigError(problems, source="config")


def _with_fixed_fields(document: dict[str, object], actual: Instance) -> dict[str, object]:
    """``document`` with the fields that an existing instance keeps, unless ``document`` sets them."""
    kept: dict[str, object] = {
        key: actual.document[key] for key in ("vmType", "arch") if key in actual.document
    }
    images: dict[str, object] = {"images": actual.document["images"]} if "images" in actual.document else {}
    return {**kept, **document, **images}


def _without_duplicates(document: Mapping[str, object]) -> dict[str, object]:
    """Remove duplicates from lists, because a merge appends what the instance has already."""
    return {key: _without_duplicates_in(value) for key, value in document.items()}


def _without_duplicates_in(value: object) -> object:
    if isinstance(value, Mapping):
        return _without_duplicates(value)
    if isinstance(value, list):
        return [item for index, item in enumerate(value) if item not in value[:index]]
    return value


def _resolved(
    request: Request,
    document: dict[str, object],
    template: str,
    home: Path,
    host: Host,
    text: str = "",
    current_dir: Path | None = None,
) -> Desired:
    """Resolve ``vmType`` and ``arch``, which are stored, because they never change later.

    :param current_dir: the folder of the existing instance, if any.
    :param text: the source whose comments lima.yaml gets; when empty, lima.yaml keeps its own.
    """
    warnings: list[Problem] = []
    config = effective(
        document,
        host,
        name=request.name,
        instance_dir=home / request.name,
        current_dir=current_dir,
        warn=warnings.append,
    )
    settled = {**document, "vmType": config.vm_type.value, "arch": config.arch.value}
    return Desired(
        request.name, settled, config, template, request.label_texts(), text, warnings=tuple(warnings)
    )
