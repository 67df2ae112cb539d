# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes the steps from the actual state to the desired one. Pure; check mode ends here."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from callao.config import Change, Config, changes
from callao.errors import ImmutableField, InstanceProtected, Problem, RestartRequired
from callao.instances.broken import REPAIR_HINT, require_config
from callao.instances.effects import Effect, effect_of, fingerprint, shrinks_disk
from callao.instances.status import Status, must_be_unprotected
from callao.instances.store import Instance


class Target(enum.StrEnum):
    """The requested state; the module's ``state``."""

    PRESENT = "present"
    STARTED = "started"
    STOPPED = "stopped"
    RESTARTED = "restarted"
    ABSENT = "absent"


class Restart(enum.StrEnum):
    """Whether a running instance may be restarted so that a change takes effect."""

    AUTO = "auto"
    NEVER = "never"


class Step(enum.StrEnum):
    """What :mod:`callao.lifecycle` does, in the order of the plan."""

    DELETE = "delete"
    CREATE = "create"
    CONFIGURE = "configure"
    """Write lima.yaml anew."""
    LABEL = "label"
    STOP = "stop"
    START = "start"
    """With the lima.yaml of that time; also enlarges the disk."""
    WAIT = "await"
    """Another run has started it; wait until it is ready."""
    REFRESH = "refresh"
    """Apply to the running machine the changes that need no restart."""
    PROTECT = "protect"
    UNPROTECT = "unprotect"
    AUTOSTART = "autostart"
    """Have it started when its user logs in."""
    NO_AUTOSTART = "no-autostart"


@dataclass(frozen=True)
class Desired:
    """The desired state of an instance.


    ``document`` is the content of lima.yaml, ``config`` its resolved form, and ``text`` the source text of
    the document with comments, empty when there is none. ``notices`` are messages for the user,
    ``warnings`` problems of the document that are no errors.
    """

    name: str
    document: Mapping[str, object]
    config: Config
    template: str
    labels: Mapping[str, str] | None = None
    text: str = ""
    notices: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Policy:
    """How far the plan may go.

    ``force`` stops without shutting down the guest; ``recreate`` replaces an existing instance.
    ``protected`` and ``autostart`` are the desired values; None keeps the present ones.
    """

    target: Target = Target.STARTED
    force: bool = False
    recreate: bool = False
    restart: Restart = Restart.AUTO
    protected: bool | None = None
    autostart: bool | None = None


@dataclass(frozen=True)
class Plan:
    """The steps, the changes that they make to the effective configuration, and messages for the user."""

    steps: tuple[Step, ...] = ()
    changes: tuple[Change, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return any(step is not Step.WAIT for step in self.steps)


def plan(desired: Desired | None, actual: Instance | None, policy: Policy) -> Plan:
    """The steps from ``actual`` to ``desired``.

    :param desired: None when the request does not change the configuration.
    :param actual: None when there is no instance of that name.
    :raises ImmutableField: for a change of a field that is fixed at creation.
    :raises InstanceBroken: when lima.yaml cannot be parsed, and ``recreate`` was not given.
    :raises InstanceProtected: when it would have to be deleted.
    :raises RestartRequired: for ``restarted`` with ``restart: never``.
    """
    if policy.target is Target.RESTARTED and policy.restart is Restart.NEVER:
        raise RestartRequired("state: 'restarted' contradicts restart: 'never' (allowed with it: 'auto').")
    if policy.target is Target.ABSENT and policy.protected:
        raise InstanceProtected("protected: true contradicts state: 'absent' (allowed with it: false).")
    if policy.target is Target.ABSENT:
        return Plan(steps=_delete(actual, policy)) if actual else Plan()
    if actual is None and policy.target is Target.STOPPED:
        return Plan()
    if actual is None:
        return Plan(steps=(Step.CREATE, *_start_steps(policy.target), *_flag_steps(policy)))
    if policy.recreate:
        # A delete ends autostart; the new instance gets the setting of the old one.
        kept = replace(policy, autostart=actual.autostart) if policy.autostart is None else policy
        return Plan(
            steps=(*_delete(actual, policy), Step.CREATE, *_start_steps(policy.target), *_flag_steps(kept)),
            changes=_changes(desired, actual),
        )
    require_config(actual, REPAIR_HINT)
    planned = _plan_existing(desired, actual, policy)
    return replace(planned, steps=(*planned.steps, *_flag_steps(policy, actual)))


def _delete(actual: Instance, policy: Policy) -> tuple[Step, ...]:
    if policy.protected is not False:
        must_be_unprotected(actual.paths)
    return (Step.DELETE,)


def _flag_steps(policy: Policy, actual: Instance | None = None) -> tuple[Step, ...]:
    """Steps that change protection and autostart; a new instance has neither."""
    steps: list[Step] = []
    if policy.protected is not None and policy.protected != (actual is not None and actual.protected):
        steps.append(Step.PROTECT if policy.protected else Step.UNPROTECT)
    if policy.autostart is not None and policy.autostart != (actual is not None and actual.autostart):
        steps.append(Step.AUTOSTART if policy.autostart else Step.NO_AUTOSTART)
    return tuple(steps)


def _start_steps(target: Target) -> tuple[Step, ...]:
    return (Step.START,) if target in (Target.STARTED, Target.RESTARTED) else ()


def _changes(desired: Desired | None, actual: Instance) -> tuple[Change, ...]:
    if desired is None or actual.config is None:
        return ()
    return tuple(changes(actual.config, desired.config))


def _plan_existing(desired: Desired | None, actual: Instance, policy: Policy) -> Plan:
    relevant = tuple(
        change for change in _changes(desired, actual) if effect_of(change.path) is not Effect.AT_CREATE
    )
    _refuse_immutable(actual, relevant)
    steps: list[Step] = [Step.CONFIGURE] if relevant else []
    notices: tuple[str, ...] = ()
    if desired is not None and desired.labels is not None and dict(desired.labels) != actual.labels:
        if actual.record_unreadable:
            notices = (_unreadable(actual),)
        else:
            steps.append(Step.LABEL)
    planned = _plan_target(desired, actual, policy, steps, relevant)
    return Plan(planned.steps, planned.changes, (*notices, *planned.notices))


def _unreadable(actual: Instance) -> str:
    return (
        f"{actual.name}: labels: {actual.paths.callao_json} cannot be read ({actual.record_unreadable}). "
        "It is not changed: repair it, or remove it to give the instance new labels."
    )


def _plan_target(
    desired: Desired | None,
    actual: Instance,
    policy: Policy,
    steps: Sequence[Step],
    relevant: tuple[Change, ...],
) -> Plan:
    if actual.status is Status.BROKEN or actual.agent is None:
        repair = [Step.STOP] if actual.driver else []
        return Plan((*steps, *repair, *_start_steps(policy.target)), relevant)
    if policy.target is Target.STOPPED:
        return Plan((*steps, Step.STOP), relevant)
    if policy.target is Target.RESTARTED:
        return Plan((*steps, Step.STOP, Step.START), relevant)
    return _plan_running(desired, actual, policy, steps, relevant)


def _plan_running(
    desired: Desired | None,
    actual: Instance,
    policy: Policy,
    steps: Sequence[Step],
    relevant: tuple[Change, ...],
) -> Plan:
    pending = [change.path for change in relevant if effect_of(change.path) is Effect.AT_START]
    wanted = desired.config if desired is not None else actual.config
    stale = bool(actual.booted and wanted is not None and fingerprint(wanted) != actual.booted)
    live = [Step.REFRESH] if any(effect_of(change.path) is Effect.LIVE for change in relevant) else []
    if policy.target is Target.STARTED and actual.failure is not None and not (pending or stale):
        return Plan((*steps, Step.STOP, Step.START), relevant, (_failed_before(actual),))
    if not pending and not stale:
        waiting = [Step.WAIT] if policy.target is Target.STARTED and not actual.ready else []
        return Plan((*steps, *live, *waiting), relevant)
    if policy.restart is Restart.AUTO and policy.target is Target.STARTED:
        return Plan((*steps, Step.STOP, Step.START), relevant)
    what = ", ".join(pending) or "an earlier change"
    asked = f"restart: {policy.restart}, state: {policy.target}"
    notice = f"{actual.name}: {what} takes effect at the next start ({asked})."
    return Plan((*steps, *live), relevant, (notice,))


def _failed_before(actual: Instance) -> str:
    failure = actual.failure
    assert failure is not None
    return f"{actual.name}: restarted, since its last start failed at {failure.stage}: {failure.message}"


def _refuse_immutable(actual: Instance, relevant: Sequence[Change]) -> None:
    for change in relevant:
        if effect_of(change.path) is Effect.NEVER:
            raise ImmutableField(
                f"{change.path}: {change.after!r}: instance {actual.name!r} was created with "
                f"{change.before!r}, and this field cannot change.",
                hint="Keep that value, or replace the instance with 'recreate: true'.",
            )
        if shrinks_disk(change):
            raise ImmutableField(
                f"disk: {change.after!r}: instance {actual.name!r} has {change.before!r} bytes, and a disk "
                "cannot shrink.",
                hint="Ask for at least what it has, or replace the instance with 'recreate: true'.",
            )
