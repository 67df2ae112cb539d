# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds a shared directory to an instance, or removes it: decides first, then acts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from callao.config import MountType, below_home, effective
from callao.errors import CallaoError, InstanceError, InstanceNotFound
from callao.host import Host
from callao.instances import Instance, Status, inspect
from callao.instances.broken import broken_error
from callao.instances.lima_yaml import write_document
from callao.instances.lock import instance_lock
from callao.instances.persisted import Persisted, read_persisted, write_persisted
from callao.instances.status import must_not_be_paused
from callao.lifecycle.thread_safety import thread_safe

_TIMEOUT = 120.0
"""Seconds for the guest to mount or unmount."""

MOUNTED, UNMOUNTED = "mounted", "unmounted"

MountSummary = dict[str, Any]
"""``location``, ``mountPoint``, ``type``, ``writable`` and ``hot``, as ``/v1/mounts`` has them."""


@dataclass(frozen=True, kw_only=True)
class MountRequest:
    """The desired state of one shared directory.

    :param location: on the host; needed for ``mounted``.
    :param mount_point: in the guest; the location's own path when empty.
    :param type: empty for the instance's mountType where it supports hot-plug, else reverse-sshfs.
    :param persist: write it to lima.yaml as well, so that the next start mounts it.
    """

    instance: str
    location: str = ""
    mount_point: str = ""
    type: str = ""
    writable: bool = False
    state: str = MOUNTED
    persist: bool = False


@dataclass(frozen=True)
class MountOutcome:
    """``before`` and ``after`` are the mount at the mount point, None for none."""

    changed: bool
    before: MountSummary | None = None
    after: MountSummary | None = None


def mounts_of(instance: Instance) -> list[MountSummary]:
    """The present mounts of a running instance; those in the lima.yaml of a stopped one.

    :raises InstanceBroken: when the lima.yaml cannot be parsed.
    """
    from callao.hostagent.api import routes
    from callao.hostagent.api.client import call

    _refuse_broken(instance)
    if instance.status is Status.RUNNING and instance.ready:
        list_snapshots: list[MountSummary] = call(instance.paths.ha_sock, *routes.LIST_MOUNTS)
        return list_snapshots
    assert instance.config is not None
    kind = instance.config.mount_type.value
    return [
        {
            "location": each.location,
            "mountPoint": each.mount_point,
            "type": kind,
            "writable": each.writable,
            "hot": False,
        }
        for each in instance.config.mounts
    ]


@thread_safe
def ensure_mount(request: MountRequest, *, home: Path, host: Host, check: bool) -> MountOutcome:
    """Bring one mount to the requested state; with ``check``, only tell what would be done.

    An instance that does not exist has no mounts. With ``check``, one that does not exist or run is taken
    for one that an earlier task would have created and started.

    :raises CallaoError: naming the invalid option, or with the error of the guest.
    """
    wanted = _validated(request, host)
    try:
        instance = inspect(request.instance, home, host)
    except InstanceNotFound:
        if request.state == UNMOUNTED:
            return MountOutcome(False)
        if check:  # an earlier task would have created it
            return MountOutcome(True, None, {"hot": not request.persist, **wanted})
        raise
    if check and instance.status is Status.STOPPED and not request.persist and request.state == MOUNTED:
        return MountOutcome(True, None, {"hot": True, **wanted})
    decided = _decide(request, wanted, home, host)
    if check or not decided.changes:
        return decided.outcome(wanted, request)
    with instance_lock(request.instance, home, _TIMEOUT):
        decided = _decide(
            request, wanted, home, host
        )  # again, because another run may have changed it before the lock was taken
        outcome, instance = decided.outcome(wanted, request), decided.instance
        if decided.live:
            outcome = replace(outcome, after=_apply(instance, decided.current, wanted, request))
        if decided.document is not None:
            write_persisted(instance.paths, _persisted_with(instance, wanted, request))
            write_document(instance.paths, decided.document)
            _reload_if_running(instance)
    return outcome


@dataclass(frozen=True)
class _Decision:
    """``live``: whether the running machine changes; ``document``: the new lima.yaml, None for no change."""

    instance: Instance
    current: MountSummary | None
    live: bool
    document: dict[str, object] | None

    @property
    def changes(self) -> bool:
        return self.live or self.document is not None

    def outcome(self, wanted: MountSummary, request: MountRequest) -> MountOutcome:
        if not self.changes:
            return MountOutcome(False, self.current, self.current)
        after = None if request.state == UNMOUNTED else {**(self.current or {"hot": True}), **wanted}
        return MountOutcome(True, self.current, after)


def _decide(request: MountRequest, wanted: MountSummary, home: Path, host: Host) -> _Decision:
    instance = inspect(request.instance, home, host)
    _refuse_unfit(request, instance)
    current = next((each for each in mounts_of(instance) if _is_at(each["mountPoint"], wanted)), None)
    live = instance.status is Status.RUNNING and _differs(current, wanted, request)
    document = _new_document(instance, wanted, request, host)
    written = request.persist and document != instance.document
    if live or written:  # what lima.yaml does not allow is refused for the running machine, too
        effective(document, host, name=instance.name, instance_dir=instance.dir)
    return _Decision(instance, current, live, document if written else None)


def _validated(request: MountRequest, host: Host) -> MountSummary:
    if request.state not in (MOUNTED, UNMOUNTED):
        raise CallaoError(f"state: {request.state!r} is not known (allowed: {MOUNTED}, {UNMOUNTED}).")
    kinds = [MountType.REVERSE_SSHFS.value, MountType.P9.value, MountType.VIRTIOFS.value]
    if request.type and request.type not in kinds:
        raise CallaoError(f"type: {request.type!r} is not known (allowed: {', '.join(kinds)}).")
    location = below_home(request.location, host.user.home)
    if location:
        location = os.path.normpath(location)
        if not location.startswith("/"):
            raise CallaoError(f"location: {location!r} is not absolute (allowed: a path, or one below ~).")
    point = request.mount_point or location
    if not point:
        raise CallaoError("mount_point: is needed (allowed: an absolute path in the guest).")
    if not PurePosixPath(point).is_absolute():
        raise CallaoError(f"mount_point: {point!r} is not absolute (allowed: a path in the guest).")
    if request.state == MOUNTED:
        if not location:
            raise CallaoError("location: is needed to mount something (allowed: a directory of the host).")
        if not Path(location).is_dir():
            raise CallaoError(f"location: {location!r} is not a directory of this host.")
    kind = {"type": request.type} if request.type else {}
    return {
        "location": location,
        "mountPoint": os.path.normpath(point),
        "writable": request.writable,
        **kind,
    }


def _refuse_broken(instance: Instance) -> None:
    if instance.status is Status.BROKEN:
        raise broken_error(instance.name, instance.errors)


def _refuse_unfit(request: MountRequest, instance: Instance) -> None:
    _refuse_broken(instance)
    must_not_be_paused(instance.status, instance.paths)
    if request.persist and request.state == MOUNTED and instance.document.get("plain"):
        raise InstanceError(
            f"instance {instance.name!r} is plain: no start mounts anything.",
            hint="Take 'plain' out of its configuration, or mount it without 'persist'.",
        )
    if instance.status is Status.RUNNING and instance.ready:
        return
    if instance.status is Status.STOPPED and (request.persist or request.state == UNMOUNTED):
        return
    if instance.status is Status.RUNNING:
        raise InstanceError(
            f"instance {instance.name!r} is still starting.", hint="Wait until it is ready, then try again."
        )
    raise InstanceError(
        f"instance {instance.name!r} is not ready to mount something now.",
        hint="Start it; or have it mounted at its next start with 'persist: true'.",
    )


def _differs(current: MountSummary | None, wanted: MountSummary, request: MountRequest) -> bool:
    if request.state == UNMOUNTED:
        return current is not None
    if current is None:
        return True
    known = {**current, **{key: os.path.normpath(current[key]) for key in ("location", "mountPoint")}}
    return any(known[key] != value for key, value in wanted.items())


def _is_at(point: str, wanted: MountSummary) -> bool:
    return bool(os.path.normpath(point) == wanted["mountPoint"])


def _apply(
    instance: Instance, current: MountSummary | None, wanted: MountSummary, request: MountRequest
) -> MountSummary | None:
    from callao.hostagent.api import routes
    from callao.hostagent.api.client import call

    sock = instance.paths.ha_sock
    if current is not None:
        method, path = routes.REMOVE_MOUNT
        target = f"{path}?mountPoint={quote(current['mountPoint'], safe='')}"
        call(sock, method, target, timeout=_TIMEOUT)
    if request.state == UNMOUNTED:
        return None
    try:
        added: MountSummary = call(sock, *routes.ADD_MOUNT, body=wanted, timeout=_TIMEOUT)
    except CallaoError:
        if current is not None:  # mount again what was there before
            before = {key: value for key, value in current.items() if key != "hot"}
            call(sock, *routes.ADD_MOUNT, body=before, timeout=_TIMEOUT)
        raise
    return added


def _new_document(
    instance: Instance, wanted: MountSummary, request: MountRequest, host: Host
) -> dict[str, object]:
    """lima.yaml with the mount, or without it; an entry that says the same already is not changed."""
    document = instance.document
    entries = [dict(each) for each in _entries(document.get("mounts"))]
    # the configuration of a plain instance leaves out the mounts of its lima.yaml
    whole = {**document, "plain": False}
    known = effective(whole, host, name=instance.name, instance_dir=instance.dir).mounts
    matches = [index for index, each in enumerate(known) if _is_at(each.mount_point, wanted)]
    if request.state == UNMOUNTED:
        kept = [each for index, each in enumerate(entries) if index not in matches]
        return {**document, "mounts": kept} if matches else document
    entry = _lima_yaml_entry(wanted)
    if not matches:  # last, for it may lie below one of the others
        return {**document, "mounts": [*entries, entry]}
    current = known[matches[0]]
    if (os.path.normpath(current.location), current.writable) != (entry["location"], entry["writable"]):
        entries[matches[0]] |= entry
    return {**document, "mounts": entries}


def _lima_yaml_entry(wanted: MountSummary) -> MountSummary:
    return {key: wanted[key] for key in ("location", "mountPoint", "writable")}


def _persisted_with(instance: Instance, wanted: MountSummary, request: MountRequest) -> Persisted:
    entry = None if request.state == UNMOUNTED else _lima_yaml_entry(wanted)
    return read_persisted(instance.paths).with_mount(wanted["mountPoint"], entry)


def _entries(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _reload_if_running(instance: Instance) -> None:
    """Have the host agent read lima.yaml, so that no later run restarts the machine for this change."""
    if instance.status is Status.RUNNING:
        from callao.hostagent.api import routes
        from callao.hostagent.api.client import call

        call(instance.paths.ha_sock, *routes.REFRESH)
