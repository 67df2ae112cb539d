# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances named on the command line, and what is done to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callao.cli.session import Session, warn

if TYPE_CHECKING:
    from callao.instances import Instance

DEFAULT = "default"
"""The instance that is meant where none is named."""


def look(run: Session, name: str) -> Instance:
    """An instance that is there.

    :raises InstanceNotFound: when it isn't.
    """
    from callao.instances import inspect

    return inspect(name, run.home, run.host)


def bring(run: Session, name: str, state: str, **more: Any) -> bool:
    """Bring an instance to ``state``; returns whether anything had to be done."""
    from callao.access import access_of_environment
    from callao.lifecycle import Request, ensure

    request = Request(name=name, state=state, access=access_of_environment(), **more)
    outcome = ensure(request, home=run.home, host=run.host, check=False, report=run.report)
    for notice in outcome.notices:
        warn(notice)
    return outcome.changed
