# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances named on the command line: lookup, and the changes that commands make."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from callao.cli.session import Session, warn, warn_all
from callao.errors import CallaoError

if TYPE_CHECKING:
    from callao.events import Reporter
    from callao.instances import Instance

DEFAULT = "default"
"""The instance of a command line that names none."""


def existing_instance(run: Session, name: str) -> Instance:
    """The instance ``name``.

    :raises InstanceNotFound: when it does not exist.
    """
    from callao.instances import inspect

    return inspect(name, run.home, run.host)


@contextlib.contextmanager
def _warned_when_interrupted(run: Session, name: str) -> Iterator[None]:
    """Warn a user who stops waiting with Ctrl-C: the host agent goes on without us."""
    try:
        yield
    except KeyboardInterrupt:
        run.close()
        with contextlib.suppress(CallaoError):
            found = existing_instance(run, name)
            if found.agent is not None and not found.ready:
                warn(
                    f"{name} goes on starting in the background. Wait for it again: callao start {name}. "
                    f"Stop it: callao stop {name}"
                )
        raise


@contextlib.contextmanager
def _reporter(run: Session, name: str) -> Iterator[Reporter]:
    if not run.shows_provision_log:
        yield run.report
        return
    from callao.cli.provision_log import ProvisionLog
    from callao.instances import InstancePaths

    with ProvisionLog(InstancePaths(run.home / name), run.report) as log:
        yield log


def ensure_instance(run: Session, name: str, state: str, **more: Any) -> bool:
    """Bring an instance to ``state``; returns whether that changed anything."""
    from callao.lifecycle import Request, ensure
    from callao.offline import network_access_of_environment

    request = Request(name=name, state=state, access=network_access_of_environment(), **more)
    with _warned_when_interrupted(run, name), _reporter(run, name) as report:
        outcome = ensure(request, home=run.home, host=run.host, check=False, report=report)
    warn_all(outcome.notices)
    return outcome.changed
