# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds a port forward to an instance, or removes it: decides first, then acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from callao.config import check_schema, effective
from callao.errors import CallaoError, InstanceError, InstanceNotFound
from callao.host import Host
from callao.instances import Instance, InstancePaths, Status, inspect
from callao.instances.broken import require_config
from callao.instances.lima_yaml import write_document
from callao.instances.lock import instance_lock
from callao.instances.persisted import read_persisted, write_persisted
from callao.instances.status import must_not_be_paused
from callao.lifecycle.refresh import refresh
from callao.lifecycle.request import Request
from callao.lifecycle.thread_safety import thread_safe

_TIMEOUT = 60.0
"""Seconds for the host agent to answer."""

_CANONICAL_KEYS = {"guestPort": "guestPortRange", "hostPort": "hostPortRange"}
"""Short fields, and the fields that hold their values in a rule with all defaults."""

PRESENT, ABSENT = "present", "absent"

Rule = dict[str, Any]
"""One entry of lima.yaml's ``portForwards``, as it is written there."""


@dataclass(frozen=True, kw_only=True)
class ForwardRequest:
    """The desired state of one rule.

    :param persist: write it to lima.yaml as well, so that the next start has it.
    """

    instance: str
    rule: Mapping[str, Any] = field(default_factory=dict)
    state: str = PRESENT
    persist: bool = False


@dataclass(frozen=True)
class ForwardOutcome:
    """``forwards`` are the present forwards, ``failed`` those that could not be made; ``host_socket`` is the
    path of the rule's socket on the host, or empty."""

    changed: bool
    forwards: tuple[Rule, ...] = ()
    failed: tuple[Rule, ...] = ()
    host_socket: str = ""


def forwards_of(instance: Instance) -> dict[str, list[Rule]]:
    """``forwards``, ``failed`` and added ``rules`` of a running instance; nothing of a stopped one."""
    from callao.hostagent.api import routes
    from callao.hostagent.api.client import call

    if instance.status not in (Status.RUNNING, Status.PAUSED):
        return {"forwards": [], "failed": [], "rules": []}
    agent_state: dict[str, list[Rule]] = call(instance.paths.ha_sock, *routes.LIST_FORWARDS)
    return agent_state


@thread_safe
def ensure_forward(request: ForwardRequest, *, home: Path, host: Host, check: bool) -> ForwardOutcome:
    """Bring one rule to the requested state; with ``check``, only tell what would be done.

    A rule to remove is found by the fields that the request sets, which must match exactly one rule. An
    instance that does not exist has no forwards. With ``check``, one that does not exist or run is taken for
    one that an earlier task would have created and started.

    :raises CallaoError: naming the invalid field, or why the forward cannot be made.
    """
    if request.state not in (PRESENT, ABSENT):
        raise CallaoError(f"state: {request.state!r} is not known (allowed: {PRESENT}, {ABSENT}).")
    check_schema({"portForwards": [dict(request.rule)]}, source="rule")
    paths = InstancePaths(home / request.instance)
    socket = _host_socket(request.rule, paths)
    try:
        instance = inspect(request.instance, home, host)
    except InstanceNotFound:
        if request.state == ABSENT or check:
            return ForwardOutcome(request.state == PRESENT, host_socket=socket)
        raise
    if check and instance.status is not Status.RUNNING and not request.persist:
        return ForwardOutcome(request.state == PRESENT, host_socket=socket)
    decided = _decide(request, home, host)
    socket = _host_socket(decided.full, paths)
    if check or not decided.changes:
        return _outcome(decided.changes, decided.agent_state, socket)
    with instance_lock(request.instance, home):
        decided = _decide(
            request, home, host
        )  # again, because another run may have changed it before the lock was taken
        if decided.live:
            _apply_live(decided.instance, decided.full, request.state)
        if decided.document is not None:
            _persist(decided, request)
            _write_lima_yaml(decided.instance, decided.document, home, host)
    return _outcome(decided.changes, forwards_of(inspect(request.instance, home, host)), socket)


def _host_socket(rule: Mapping[str, Any], paths: InstancePaths) -> str:
    return str(paths.sock_dir / rule["hostSocket"]) if rule.get("hostSocket") else ""


@dataclass(frozen=True)
class _Decision:
    """``live``: whether the running machine is changed; ``document``: its new lima.yaml, None for no change.

    ``rule`` is the rule as written, ``full`` the same with all defaults, ``agent_state`` the host
    agent's present forwards.
    """

    instance: Instance
    rule: Rule
    full: Rule
    agent_state: Mapping[str, list[Rule]]
    live: bool
    document: dict[str, object] | None

    @property
    def changes(self) -> bool:
        return self.live or self.document is not None


def _decide(request: ForwardRequest, home: Path, host: Host) -> _Decision:
    instance = inspect(request.instance, home, host)
    must_not_be_paused(instance.status, instance.paths)
    agent_state = forwards_of(instance)
    rule = dict(request.rule)
    if request.state == ABSENT:
        rule = _matching_rule(rule, instance, agent_state["rules"], request, host)
    full = _with_defaults(rule, instance, host)
    running = instance.status is Status.RUNNING
    if not running and not request.persist:
        raise InstanceError(
            f"instance {instance.name!r} is not running.",
            hint="Start it; or have the rule at its next start with 'persist: true'.",
        )
    live = running and not request.persist and (full in agent_state["rules"]) != (request.state == PRESENT)
    document = _new_document(instance, rule, request, host) if request.persist else instance.document
    return _Decision(
        instance, rule, full, agent_state, live, document if document != instance.document else None
    )


def refuse_taken_by_others(request: Request, actual: Instance | None, host: Host, home: Path) -> None:
    """Refuse a start whose request names a host port that another process uses.

    :raises PortTaken: naming the process.
    """
    from callao.hostagent.ports.port_conflicts import refuse_taken_ports

    asked = {"images": [{"location": "/"}], "portForwards": request.config["portForwards"]}
    config = effective(asked, host, name=request.name, instance_dir=home / request.name)
    refuse_taken_ports(config.port_forwards, actual.forwards if actual is not None else ())


def _with_defaults(rule: Rule, instance: Instance, host: Host) -> Rule:
    """The rule with all defaults, as the host agent has it."""
    require_config(instance)
    document = {**instance.document, "portForwards": [rule], "plain": False}
    config = effective(document, host, name=instance.name, instance_dir=instance.dir)
    full: Rule = msgspec.to_builtins(config.port_forwards[0])
    full["guestPortRange"], full["hostPortRange"] = list(full["guestPortRange"]), list(full["hostPortRange"])
    return full


def _matching_rule(
    rule: Rule, instance: Instance, live: list[Rule], request: ForwardRequest, host: Host
) -> Rule:
    """The existing rule to remove, as written; ``rule`` itself where none matches.

    :raises CallaoError: when more than one matches.
    """
    asked = _with_defaults(rule, instance, host)
    known = [
        (each, _with_defaults(each, instance, host))
        for each in (_rules(instance) if request.persist else live)
    ]
    requested = {_CANONICAL_KEYS.get(key, key) for key in rule}
    alike = [each for each, full in known if all(full[key] == asked[key] for key in requested)]
    same = [each for each, full in known if full == asked]
    if len(alike) > 1 and not same:
        rules = "; ".join(", ".join(f"{key}: {value}" for key, value in each.items()) for each in alike)
        raise CallaoError(
            f"state: absent matches {len(alike)} rules ({rules}): name the host's port or address, or proto."
        )
    return next(iter([*same, *alike]), rule)


def _rules(instance: Instance) -> list[Rule]:
    rules = instance.document.get("portForwards")
    return [dict(each) for each in rules if isinstance(each, Mapping)] if isinstance(rules, list) else []


def _new_document(instance: Instance, rule: Rule, request: ForwardRequest, host: Host) -> dict[str, object]:
    """lima.yaml with the rule, or without it; an entry that means the same already is not changed."""
    rules = _rules(instance)
    if request.state == ABSENT:
        kept = [each for each in rules if each != rule]
        return {**instance.document, "portForwards": kept} if len(kept) != len(rules) else instance.document
    full = _with_defaults(rule, instance, host)
    if any(_with_defaults(each, instance, host) == full for each in rules):
        return instance.document
    return {**instance.document, "portForwards": [rule, *rules]}


def _persist(decided: _Decision, request: ForwardRequest) -> None:
    paths, rule = decided.instance.paths, decided.rule
    persisted = read_persisted(paths)
    present = request.state == PRESENT
    write_persisted(paths, persisted.with_forward(rule) if present else persisted.without_forward(rule))


def _apply_live(instance: Instance, full: Rule, state: str) -> None:
    from callao.hostagent.api import routes
    from callao.hostagent.api.client import call

    route = routes.ADD_FORWARD if state == PRESENT else routes.REMOVE_FORWARD
    call(instance.paths.ha_sock, *route, body=full, timeout=_TIMEOUT)


def _write_lima_yaml(instance: Instance, document: dict[str, object], home: Path, host: Host) -> None:
    """Write lima.yaml, and have the running machine follow it."""
    effective(document, host, name=instance.name, instance_dir=home / instance.name)
    before = instance.paths.lima_yaml.read_bytes()
    write_document(instance.paths, document)
    if instance.status is Status.RUNNING:
        refresh(instance.paths, before)


def _outcome(changed: bool, agent_state: Mapping[str, list[Rule]], host_socket: str) -> ForwardOutcome:
    forwards, failed = tuple(agent_state["forwards"]), tuple(agent_state["failed"])
    return ForwardOutcome(changed, forwards, failed, host_socket)
