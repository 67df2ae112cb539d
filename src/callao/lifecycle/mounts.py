# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory shared with an instance that exists, or no longer: planned first, then done."""

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
"""Seconds for the guest to mount, or to let go."""

MOUNTED, UNMOUNTED = "mounted", "unmounted"

MountSummary = dict[str, Any]
"""``location``, ``mountPoint``, ``type``, ``writable`` and ``hot``, as ``/v1/mounts`` has them."""


@dataclass(frozen=True, kw_only=True)
class MountRequest:
    """One directory as somebody wants it.

    :param location: on the host; needed for ``mounted``.
    :param mount_point: in the guest; the location's own path when empty.
    :param type: empty for the instance's own where that can be mounted now, else reverse-sshfs.
    :param persist: also in lima.yaml, so that the next start mounts it, too.
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
    """``before`` and ``after`` are what is at the mount point, None for nothing."""

    changed: bool
    before: MountSummary | None = None
    after: MountSummary | None = None


def mounts_of(instance: Instance) -> list[MountSummary]:
    """What is shared now with a running instance; what lima.yaml says of a stopped one.

    :raises InstanceBroken: of one that cannot be read.
    """
    from callao.hostagent.api import routes
    from callao.hostagent.api.client import call

    _refuse_broken(instance)
    if instance.status is Status.RUNNING and instance.ready:
        listed: list[MountSummary] = call(instance.paths.ha_sock, *routes.LIST_MOUNTS)
        return listed
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

    An instance that is gone has nothing mounted. With ``check`` one that is not there yet, or not started,
    is taken for one that an earlier step would have made and started.

    :raises CallaoError: naming the option that is wrong, or what the guest said.
    """
    wanted = _validated(request, host)
    try:
        instance = inspect(request.instance, home, host)
    except InstanceNotFound:
        if request.state == UNMOUNTED:
            return MountOutcome(False)
        if check:  # a task before this one would have made it
            return MountOutcome(True, None, {"hot": not request.persist, **wanted})
        raise
    if check and instance.status is Status.STOPPED and not request.persist and request.state == MOUNTED:
        return MountOutcome(True, None, {"hot": True, **wanted})
    decided = _decide(request, wanted, home, host)
    if check or not decided.changes:
        return decided.outcome(wanted, request)
    with instance_lock(request.instance, home, _TIMEOUT):
        decided = _decide(request, wanted, home, host)  # anew: another run may have been faster
        outcome, instance = decided.outcome(wanted, request), decided.instance
        if decided.live:
            outcome = replace(outcome, after=_apply(instance, decided.there, wanted, request))
        if decided.document is not None:
            write_persisted(instance.paths, _persisted_with(instance, wanted, request))
            write_document(instance.paths, decided.document)
            _reload_if_running(instance)
    return outcome


@dataclass(frozen=True)
class _Decision:
    """What is to be done: ``live`` to the running machine, and ``document`` as its new lima.yaml, if any."""

    instance: Instance
    there: MountSummary | None
    live: bool
    document: dict[str, object] | None

    @property
    def changes(self) -> bool:
        return self.live or self.document is not None

    def outcome(self, wanted: MountSummary, request: MountRequest) -> MountOutcome:
        if not self.changes:
            return MountOutcome(False, self.there, self.there)
        after = None if request.state == UNMOUNTED else {**(self.there or {"hot": True}), **wanted}
        return MountOutcome(True, self.there, after)


def _decide(request: MountRequest, wanted: MountSummary, home: Path, host: Host) -> _Decision:
    instance = inspect(request.instance, home, host)
    _refuse_unfit(request, instance)
    there = next((each for each in mounts_of(instance) if _is_at(each["mountPoint"], wanted)), None)
    live = instance.status is Status.RUNNING and _differs(there, wanted, request)
    document = _new_document(instance, wanted, request, host)
    written = request.persist and document != instance.document
    if live or written:  # what lima.yaml may not say, nobody gets for now only
        effective(document, host, name=instance.name, instance_dir=instance.dir)
    return _Decision(instance, there, live, document if written else None)


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


def _differs(there: MountSummary | None, wanted: MountSummary, request: MountRequest) -> bool:
    if request.state == UNMOUNTED:
        return there is not None
    if there is None:
        return True
    known = {**there, **{key: os.path.normpath(there[key]) for key in ("location", "mountPoint")}}
    return any(known[key] != value for key, value in wanted.items())


def _is_at(point: str, wanted: MountSummary) -> bool:
    return bool(os.path.normpath(point) == wanted["mountPoint"])


def _apply(
    instance: Instance, there: MountSummary | None, wanted: MountSummary, request: MountRequest
) -> MountSummary | None:
    from callao.hostagent.api import routes
    from callao.hostagent.api.client import call

    sock = instance.paths.ha_sock
    if there is not None:
        method, path = routes.REMOVE_MOUNT
        target = f"{path}?mountPoint={quote(there['mountPoint'], safe='')}"
        call(sock, method, target, timeout=_TIMEOUT)
    if request.state == UNMOUNTED:
        return None
    try:
        added: MountSummary = call(sock, *routes.ADD_MOUNT, body=wanted, timeout=_TIMEOUT)
    except CallaoError:
        if there is not None:  # what was there before comes back
            before = {key: value for key, value in there.items() if key != "hot"}
            call(sock, *routes.ADD_MOUNT, body=before, timeout=_TIMEOUT)
        raise
    return added


def _new_document(
    instance: Instance, wanted: MountSummary, request: MountRequest, host: Host
) -> dict[str, object]:
    """lima.yaml with it, or without; an entry that says so already keeps its own words."""
    document = instance.document
    entries = [dict(each) for each in _entries(document.get("mounts"))]
    # a plain one's configuration has none of what lima.yaml lists
    whole = {**document, "plain": False}
    known = effective(whole, host, name=instance.name, instance_dir=instance.dir).mounts
    places = [index for index, each in enumerate(known) if _is_at(each.mount_point, wanted)]
    if request.state == UNMOUNTED:
        kept = [each for index, each in enumerate(entries) if index not in places]
        return {**document, "mounts": kept} if places else document
    entry = _lima_yaml_entry(wanted)
    if not places:  # last, for it may lie below one of the others
        return {**document, "mounts": [*entries, entry]}
    there = known[places[0]]
    if (os.path.normpath(there.location), there.writable) != (entry["location"], entry["writable"]):
        entries[places[0]] |= entry
    return {**document, "mounts": entries}


def _lima_yaml_entry(wanted: MountSummary) -> MountSummary:
    return {key: wanted[key] for key in ("location", "mountPoint", "writable")}


def _persisted_with(instance: Instance, wanted: MountSummary, request: MountRequest) -> Persisted:
    entry = None if request.state == UNMOUNTED else _lima_yaml_entry(wanted)
    return read_persisted(instance.paths).with_mount(wanted["mountPoint"], entry)


def _entries(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _reload_if_running(instance: Instance) -> None:
    """The machine is what lima.yaml says already: no later run shall restart it for this."""
    if instance.status is Status.RUNNING:
        from callao.hostagent.api import routes
        from callao.hostagent.api.client import call

        call(instance.paths.ha_sock, *routes.REFRESH)
