# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the outcome of a request: the state before and after it."""

from __future__ import annotations

from callao.instances import Desired, Instance, Plan, Status, Step, Target, summary
from callao.lifecycle.request import Outcome, Request

InstanceState = dict[str, object]
"""All state of an instance that a request can change, as plain values."""


def outcome(
    steps: Plan, wanted: Desired | None, before: InstanceState | None, now: Instance | None, request: Request
) -> Outcome:
    """The outcome of steps that were carried out, or would be in check mode.

    :param before: the state before the steps; ``now`` is the instance after them, unchanged in check mode.
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
    """The state as the files have it now; to be read before anything is changed."""
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
    """The state after the steps, computed, so that check mode returns the same."""
    from callao.config import to_document

    if request.state == Target.ABSENT:
        return None
    state: InstanceState = {
        "status": Status.STOPPED.value,
        "labels": {},
        "protected": False,
        "autostart": False,
    }
    state |= before or {}
    if wanted is not None:
        images = state.get("images")
        kept = {key: state[key] for key in ("status", "labels", "protected", "autostart")}
        state = {**to_document(wanted.config), **kept}
        if images is not None and Step.CREATE not in steps.steps:
            state["images"] = images
        if wanted.labels is not None:
            state["labels"] = dict(wanted.labels)
    if Step.START in steps.steps:
        state["status"] = Status.RUNNING.value
    elif Step.STOP in steps.steps or Step.CREATE in steps.steps:
        state["status"] = Status.STOPPED.value
    for step, (key, value) in _FLAG_STEPS.items():
        if step in steps.steps:
            state[key] = value
    return state
