# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes lima.yaml, with a notice where comments could not be kept."""

from __future__ import annotations

from collections.abc import Mapping

from callao.events import Event, EventState, Reporter, Stage
from callao.instances import InstancePaths
from callao.instances.lima_yaml import write_document


def write_config(
    paths: InstancePaths, document: Mapping[str, object], report: Reporter, text: str = ""
) -> None:
    """Write lima.yaml, see :func:`callao.instances.lima_yaml.write_document`."""
    kept = write_document(paths, document, text)
    if kept is not None:
        message = f"{paths.name}: not all comments of lima.yaml could be kept; its former text is in {kept}."
        report(Event(stage=Stage.DISK, state=EventState.NOTICE, message=message))
