# SPDX-License-Identifier: GPL-3.0-or-later
"""A request that names a lock file: only what is locked goes into the instance."""

from __future__ import annotations

from pathlib import Path

from callao.config import merge
from callao.errors import LockError
from callao.instances import Instance
from callao.lifecycle.request import Request
from callao.lockfile import LockFile, enforce, refuse_inputs, sealed
from callao.templates import Resolved, layered


def refuse(request: Request, file: LockFile, actual: Instance | None) -> None:
    """Raise for what no lock can vouch for, before any template is read.

    :raises LockError: naming it.
    """
    refuse_inputs(file, request.config)
    if request.document is not None and (actual is None or request.recreate):
        raise LockError(
            f"lock: {file.path} locks templates, and this lima.yaml is none of them.",
            hint="Name the template, or do without the lock.",
        )


def locked(
    request: Request, file: LockFile, reference: str, resolved: Resolved, home: Path
) -> dict[str, object]:
    """What the template and ``config`` say together, as the lock allows it.

    :raises LockError: when the template is not locked, or not what was locked.
    """
    document = enforce(file, reference, resolved)
    layers = layered(merge([request.config, document]), home, access=request.access)
    return sealed(file, reference, layers)
