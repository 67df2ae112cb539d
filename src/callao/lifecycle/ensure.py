# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door: make an instance what a request says, or say what that would take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from callao.config import check_hostname, check_name
from callao.errors import InstanceNotFound
from callao.events import Reporter
from callao.host import Host
from callao.instances import Desired, Instance, Plan, Status, Step, Target, inspect, plan, summary
from callao.lifecycle.desired import desired
from callao.lifecycle.request import Outcome, Request
from callao.lifecycle.threads import for_threads

if TYPE_CHECKING:
    from callao.lockfile import LockFile


@for_threads
def ensure(request: Request, *, home: Path, host: Host, check: bool, report: Reporter) -> Outcome:
    """Bring the instance to the requested state; with ``check``, only tell what would be done.

    Nothing is touched before the whole request is known to be good. The instance's lock is only
    taken when there is something to do.

    :raises CallaoError: one of the tree in :mod:`callao.errors`, with the remedy in it.
    """
    check_name(request.name)
    wanted, actual, steps = _decide(request, home, host)
    if actual is None and request.state == Target.ABSENT and not check:
        from callao.lifecycle.remove import finish

        finish(home, request.name, request.timeout)
    if wanted is not None and actual is None:
        check_hostname(request.name)
    if check or not steps.steps:
        return _outcome(steps, wanted, actual, actual, request)

    from callao.instances.lock import locked
    from callao.lifecycle.apply import apply

    with locked(request.name, home, request.timeout):
        wanted, actual, steps = _decide(request, home, host)
        apply(steps, wanted, actual, request, home=home, host=host, report=report)
        return _outcome(steps, wanted, actual, _look(request.name, home, host), request)


def _decide(request: Request, home: Path, host: Host) -> tuple[Desired | None, Instance | None, Plan]:
    policy = request.policy()
    actual = _look(request.name, home, host)
    if policy.target is Target.ABSENT:
        return None, actual, plan(None, actual, policy)
    if policy.target is Target.STOPPED and actual is None:
        return None, None, plan(None, None, policy)
    lock = _lock_of(request)
    wanted = desired(request, actual, home, host, lock=lock)
    steps = plan(wanted, actual, policy)
    if wanted is not None:
        steps = Plan(steps.steps, steps.changes, (*steps.notices, *wanted.notices))
    config = wanted.config if wanted else actual.config if actual else None
    if config is not None and {Step.CREATE, Step.CONFIGURE, Step.START} & set(steps.steps):
        from callao.lifecycle.support import notices, of_a_new_one, refuse_unsupported

        refuse_unsupported(config, request.name, host)
        document = wanted.document if wanted else actual.document if actual else {}
        told = notices(document, config)
        if wanted is not None:
            told = (*map(str, wanted.warnings), *told, *_of_warm(request, wanted, steps))
        if Step.CREATE in steps.steps:
            told = (*told, *of_a_new_one(document))
        steps = Plan(steps.steps, steps.changes, (*steps.notices, *told))
    if lock is not None:
        from callao.lockfile import notices as of_lock

        steps = Plan(steps.steps, steps.changes, (*steps.notices, *of_lock(lock)))
    return wanted, actual, steps


def _of_warm(request: Request, wanted: Desired, steps: Plan) -> tuple[str, ...]:
    if Step.CREATE not in steps.steps or not request.is_warm(wanted.config):
        return ()
    if Step.START not in steps.steps:
        return (f"{wanted.name}: warm: counts only where it is made and started at once: it will boot.",)
    from callao.lifecycle.warm_cache import cache_size

    cache_size()  # a value that is none is told before anything is made
    return ()


def _lock_of(request: Request) -> LockFile | None:
    if request.lock is None:
        return None
    from callao.lockfile import read

    return read(request.lock)


def _look(name: str, home: Path, host: Host) -> Instance | None:
    try:
        return inspect(name, home, host)
    except InstanceNotFound:
        return None


def _outcome(
    steps: Plan, wanted: Desired | None, before: Instance | None, now: Instance | None, request: Request
) -> Outcome:
    return Outcome(
        changed=steps.changed,
        before=_picture(before) if steps.changed else None,
        after=_intended(steps, wanted, before, request) if steps.changed else None,
        instance=summary(now) if now else None,
        notices=steps.notices,
        actions=tuple(str(step) for step in steps.steps),
    )


def _picture(instance: Instance | None) -> dict[str, object] | None:
    from callao.config import to_document

    if instance is None:
        return None
    config = to_document(instance.config) if instance.config else {}
    return {**config, "status": instance.status.value, "labels": dict(instance.labels)}


def _intended(
    steps: Plan, wanted: Desired | None, before: Instance | None, request: Request
) -> dict[str, object] | None:
    """The state that the steps lead to: the same in check mode as for real."""
    from callao.config import to_document

    if request.state == Target.ABSENT:
        return None
    picture = _picture(before) or {"status": Status.STOPPED.value, "labels": {}}
    if wanted is not None:
        images = picture.get("images")
        picture = {**to_document(wanted.config), "status": picture["status"], "labels": picture["labels"]}
        if images is not None and Step.CREATE not in steps.steps:
            picture["images"] = images
        if wanted.labels is not None:
            picture["labels"] = dict(wanted.labels)
    if Step.START in steps.steps:
        picture["status"] = Status.RUNNING.value
    elif Step.STOP in steps.steps or Step.CREATE in steps.steps:
        picture["status"] = Status.STOPPED.value
    return picture
