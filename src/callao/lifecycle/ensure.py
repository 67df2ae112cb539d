# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry point of the engine: brings an instance to the requested state, or tells the steps."""

from __future__ import annotations

from pathlib import Path

from callao.config import check_hostname, check_name
from callao.events import Event, EventState, Reporter, Stage
from callao.host import Host
from callao.instances import Step, Target
from callao.lifecycle.decide import decide, find_instance
from callao.lifecycle.missing_disks import create_disks, missing_disks, split_disk_sizes, with_created_disks
from callao.lifecycle.outcome import outcome, state_of
from callao.lifecycle.request import Outcome, Request
from callao.lifecycle.thread_safety import thread_safe


@thread_safe
def ensure(request: Request, *, home: Path, host: Host, check: bool, report: Reporter) -> Outcome:
    """Bring the instance to the requested state; with ``check``, only return what would be done.

    The whole request is validated before anything is changed. The instance's lock is only taken when
    there is something to do.

    :raises CallaoError: see :mod:`callao.errors`.
    """
    check_name(request.name)
    request, sizes = split_disk_sizes(request)
    new = missing_disks(request, sizes, home)
    if new and not check:
        _ensure(
            request, home=home, host=host, check=True, report=report
        )  # validates the request before a disk is made
        create_disks(new, home)
    done = with_created_disks(_ensure(request, home=home, host=host, check=check, report=report), new)
    if request.secret_values or Step.REFRESH in done.actions:
        from callao.lifecycle.secrets import with_given_secrets

        return with_given_secrets(done, request, home=home, host=host, check=check)
    return done


def _ensure(request: Request, *, home: Path, host: Host, check: bool, report: Reporter) -> Outcome:
    if request.renamed_from:
        from callao.lifecycle.ensure_renamed import ensure_renamed

        renamed = ensure_renamed(request, home=home, host=host, check=check, report=report)
        if renamed is not None:
            return renamed
    actual = find_instance(request.name, home, host)
    wanted, steps = decide(request, actual, home, host)
    if actual is None and request.state == Target.ABSENT and not check:
        from callao.lifecycle.remove import finish_removal

        finish_removal(home, request.name, request.timeout)
    if wanted is not None and actual is None:
        check_hostname(request.name)
    if check or not steps.steps:
        before = state_of(actual) if steps.changed else None
        return outcome(steps, wanted, before, actual, request)

    from callao.instances.index import update_index
    from callao.instances.lock import instance_lock
    from callao.lifecycle.apply import apply

    def notice(sentence: str) -> None:
        report(Event(stage=Stage.DISK, state=EventState.NOTICE, message=sentence))

    with instance_lock(request.name, home, request.timeout, notice):
        actual = find_instance(request.name, home, host)
        wanted, steps = decide(request, actual, home, host)
        before = state_of(actual)
        apply(steps, wanted, actual, request, home=home, host=host, report=report)
        found = find_instance(request.name, home, host)
        if found is not None:
            update_index(request.name, home, host)
        return outcome(steps, wanted, before, found, request)
