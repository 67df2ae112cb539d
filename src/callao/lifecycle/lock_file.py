# SPDX-License-Identifier: GPL-3.0-or-later
"""Restricts a request to what its lock file allows."""

from __future__ import annotations

from pathlib import Path

from callao.config import merge
from callao.errors import LockError
from callao.instances import Instance
from callao.lifecycle.request import Request
from callao.lockfile import LockFile, enforce, enforce_override_files, refuse_inputs
from callao.templates import Resolved, with_override_files


def refuse_unlockable_options(request: Request, file: LockFile, actual: Instance | None) -> None:
    """Refuse options that a lock file cannot pin, before any template is read.

    :raises LockError: naming the option.
    """
    refuse_inputs(file, request.config)
    if request.document is not None and (actual is None or request.recreate):
        raise LockError(
            f"lock: {file.path} locks templates, and this lima.yaml is not one of them.",
            hint="Name the template, or do without the lock.",
        )


def document_by_lock_file(
    request: Request, file: LockFile, reference: str, resolved: Resolved, home: Path
) -> dict[str, object]:
    """The document that the template and ``config`` result in, as the lock file allows it.

    :raises LockError: when the template is not locked, or not what was locked.
    """
    document = enforce(file, reference, resolved)
    layers = with_override_files(merge([request.config, document]), home, access=request.access)
    return enforce_override_files(file, reference, layers)
