# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a request, told as the state before and after it."""

from __future__ import annotations

from callao.instances import Desired, Instance, Plan, Status, Step, Target, summary
from callao.lifecycle.request import Outcome, Request

InstanceState = dict[str, object]
"""All of an instance that a request can change, as plain values."""


def outcome(
    steps: Plan, wanted: Desired | None, before: InstanceState | None, now: Instance | None, request: Request
) -> Outcome:
    """What the steps have changed, or would.

    :param before: the instance before them; ``now`` is after them, or the same in check mode.
    """
    return Outcome(
        changed=steps.changed,
        before=before if steps.changed else None,
        after=_state_after(steps, wanted, before, request) if steps.changed else None,
        instance=summary(now) if now else None,
        notices=steps.notices,
        actions=tuple(str(step) for step in steps.steps),
    )


_FLAG_STEPS = {
    Step.PROTECT: ("protected", True),
    Step.UNPROTECT: ("protected", False),
    Step.AUTOSTART: ("autostart", True),
    Step.NO_AUTOSTART: ("autostart", False),
}


def state_of(instance: Instance | None) -> InstanceState | None:
    """Taken before anything is changed: it asks the files."""
    from callao.config import to_document

    if instance is None:
        return None
    config = to_document(instance.config) if instance.config else {}
    return {
        **config,
        "status": instance.status.value,
        "labels": dict(instance.labels),
        "protected": instance.protected,
        "autostart": instance.autostart,
    }


def _state_after(
    steps: Plan, wanted: Desired | None, before: InstanceState | None, request: Request
) -> InstanceState | None:
    """The state that the steps lead to: the same in check mode as for real."""
    from callao.config import to_document

    if request.state == Target.ABSENT:
        return None
    picture: InstanceState = {
        "status": Status.STOPPED.value,
        "labels": {},
        "protected": False,
        "autostart": False,
    }
    picture |= before or {}
    if wanted is not None:
        images = picture.get("images")
        kept = {key: picture[key] for key in ("status", "labels", "protected", "autostart")}
        picture = {**to_document(wanted.config), **kept}
        if images is not None and Step.CREATE not in steps.steps:
            picture["images"] = images
        if wanted.labels is not None:
            picture["labels"] = dict(wanted.labels)
    if Step.START in steps.steps:
        picture["status"] = Status.RUNNING.value
    elif Step.STOP in steps.steps or Step.CREATE in steps.steps:
        picture["status"] = Status.STOPPED.value
    for step, (key, value) in _FLAG_STEPS.items():
        if step in steps.steps:
            picture[key] = value
    return picture
