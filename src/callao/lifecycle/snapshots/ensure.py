# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a snapshot to the requested state: decides first, then acts."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callao.errors import CallaoError, InstanceNotFound, SnapshotError
from callao.events import Reporter
from callao.host import Host
from callao.instances import Instance, Status, inspect
from callao.instances import summary as summary_of
from callao.instances.broken import require_config
from callao.lifecycle.snapshots import operations
from callao.lifecycle.thread_safety import thread_safe
from callao.snapshots import Snapshot, check_snapshot_name, find, list_snapshots, summary

Summary = dict[str, Any]


class SnapshotState(enum.StrEnum):
    """The module's ``state``."""

    PRESENT = "present"
    ABSENT = "absent"
    APPLIED = "applied"


@dataclass(frozen=True, kw_only=True)
class SnapshotRequest:
    """The desired state of one snapshot.

    :param timeout: seconds to wait for another run's lock, and until a machine is ready again.
    """

    instance: str
    name: str
    state: str = SnapshotState.PRESENT
    timeout: float = 600.0


@dataclass(frozen=True)
class SnapshotOutcome:
    """What changed (or would, in check mode).

    ``snapshot`` is :func:`callao.snapshots.summary`'s, in check mode only ``name`` and
    ``memory``, None for none; ``instance`` is :func:`callao.instances.summary`'s. ``before`` and
    ``after`` are the snapshot's state; for one that is applied, the instance's.
    """

    changed: bool
    instance: Summary | None
    snapshot: Summary | None = None
    before: Summary | None = None
    after: Summary | None = None


@thread_safe
def ensure_snapshot(
    request: SnapshotRequest, *, home: Path, host: Host, check: bool, report: Reporter
) -> SnapshotOutcome:
    """Bring the snapshot to the requested state; with ``check``, only tell what would be done.

    :raises SnapshotError: when the machine cannot be saved, or the snapshot cannot be restored.
    :raises StageFailed: when the restored machine does not become ready.
    """
    if not request.timeout > 0:
        raise CallaoError(f"timeout: {request.timeout!r} is no time (allowed: seconds above 0).")
    state = _parse_state(request.state)
    check_snapshot_name(request.name)
    try:
        instance = inspect(request.instance, home, host)
    except InstanceNotFound:
        if not check and state is not SnapshotState.ABSENT:
            raise
        return _without_instance(request.name, state)
    require_config(instance)
    existing = _existing(instance, request.name)
    options: Summary = {"home": home, "host": host, "timeout": request.timeout}
    match state:
        case SnapshotState.PRESENT:
            return _ensure_present(request, instance, existing, options, check, report)
        case SnapshotState.ABSENT:
            return _ensure_absent(request, instance, existing, options, check)
        case SnapshotState.APPLIED:
            return _ensure_applied(request, instance, options, check, report)


def _without_instance(name: str, state: SnapshotState) -> SnapshotOutcome:
    """The outcome where there is no instance; in check mode an earlier task would have created it."""
    if state is SnapshotState.ABSENT:
        return SnapshotOutcome(False, None)
    intended = {"name": name, "memory": True} if state is SnapshotState.PRESENT else {"snapshot": name}
    return SnapshotOutcome(True, None, None, None, intended)


def snapshots_of(instance: Instance, name: str | None = None) -> list[Summary]:
    """The snapshots of an instance, the oldest first; with ``name``, at most that one.

    :raises ConfigError: when ``name`` is no valid name of a snapshot.
    """
    if name is not None:
        check_snapshot_name(name)
    every = list_snapshots(instance.paths)
    return [summary(instance.paths, each) for each in every if name in (None, each.name)]


def _ensure_present(
    request: SnapshotRequest,
    instance: Instance,
    existing: Snapshot | None,
    options: Summary,
    check: bool,
    report: Reporter,
) -> SnapshotOutcome:
    if existing is not None:
        same = summary(instance.paths, existing)
        return SnapshotOutcome(False, summary_of(instance), same, same, same)
    intended = {"name": request.name, "memory": instance.agent is not None}
    if check:
        return SnapshotOutcome(True, summary_of(instance), intended, None, intended)
    try:
        made = operations.take(request.instance, request.name, report=report, **options)
    except SnapshotError:
        made_meanwhile = _existing(
            instance, request.name
        )  # taken by another run while this one waited for the lock
        if made_meanwhile is None:
            raise
        same = summary(instance.paths, made_meanwhile)
        return SnapshotOutcome(False, summary_of(instance), same, same, same)
    now = inspect(request.instance, options["home"], options["host"])
    return SnapshotOutcome(True, summary_of(now), summary(now.paths, made), None, intended)


def _ensure_absent(
    request: SnapshotRequest, instance: Instance, existing: Snapshot | None, options: Summary, check: bool
) -> SnapshotOutcome:
    if existing is None:
        return SnapshotOutcome(False, summary_of(instance))
    before = {"name": existing.name, "memory": existing.machine is not None}
    if not check:
        try:
            operations.delete(request.instance, request.name, **options)
        except SnapshotError:
            if _existing(instance, request.name) is not None:
                raise
            return SnapshotOutcome(False, summary_of(instance))  # deleted by another run meanwhile
    return SnapshotOutcome(True, summary_of(instance), None, before, None)


def _ensure_applied(
    request: SnapshotRequest, instance: Instance, options: Summary, check: bool, report: Reporter
) -> SnapshotOutcome:
    found = find(instance.paths, request.name)
    before = {"status": instance.status.value}
    status = Status.STOPPED if found.machine is None else Status.RUNNING
    after = {"status": status.value, "snapshot": found.name}
    if not check:
        operations.apply(request.instance, request.name, report=report, **options)
        instance = inspect(request.instance, options["home"], options["host"])
    described = summary(instance.paths, found)
    return SnapshotOutcome(True, summary_of(instance), described, before, after)


def _existing(instance: Instance, name: str) -> Snapshot | None:
    return next((each for each in list_snapshots(instance.paths) if each.name == name), None)


def _parse_state(value: str) -> SnapshotState:
    try:
        return SnapshotState(value)
    except ValueError:
        raise CallaoError(f"state: {value!r} is not known (allowed: {', '.join(SnapshotState)}).") from None
