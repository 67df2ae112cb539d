# SPDX-License-Identifier: GPL-3.0-or-later
"""Renames an instance, then brings it to the requested state: ``renamed_from``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from callao.config import effective
from callao.errors import InstanceError
from callao.events import Reporter
from callao.host import Host
from callao.instances import Instance, Restart, Status, Target
from callao.lifecycle.decide import decide, find_instance
from callao.lifecycle.outcome import outcome, state_of
from callao.lifecycle.rename import must_be_renamable, must_not_be_protected, rename
from callao.lifecycle.request import Outcome, Request

_RENAME = "rename"
"""The action in the outcome, before the plan's steps."""


def ensure_renamed(
    request: Request, *, home: Path, host: Host, check: bool, report: Reporter
) -> Outcome | None:
    """Rename the instance and carry out the rest of the request; None where there is nothing to rename.

    A running instance is shut down first, where the request allows a restart.

    :raises InstanceError: when both names exist, or the instance runs and may not be stopped.
    """
    from callao.lifecycle.ensure import ensure

    old = find_instance(request.renamed_from, home, host)
    if old is None:
        return None
    if find_instance(request.name, home, host) is not None:
        raise InstanceError(
            f"renamed_from: instances {old.name!r} and {request.name!r} exist both, so that the one cannot "
            "become the other.",
            hint=f"Delete one of them, or leave out renamed_from: {old.name}.",
        )
    runs = old.agent is not None or old.driver is not None
    _must_be_renamable(old, request, home, runs=runs)
    remaining = replace(request, renamed_from="")
    expected = _expected_instance(old, request.name, home, host)
    wanted, steps = decide(remaining, expected, home, host)  # validates the whole request before the rename
    if check:
        return _with_rename(old, outcome(steps, wanted, state_of(expected), old, remaining), request.name)
    before = state_of(old)
    if runs:
        stop_request = Request(
            name=old.name, state=Target.STOPPED, force=request.force, timeout=request.timeout
        )
        ensure(stop_request, home=home, host=host, check=False, report=report)
    # A request that ends the protection does so in the second step, under the new name.
    rename(old, request.name, home=home, though_protected=request.protected is False)
    done = ensure(remaining, home=home, host=host, check=False, report=report)
    return _with_rename(old, done, request.name, before)


def _must_be_renamable(old: Instance, request: Request, home: Path, *, runs: bool) -> None:
    must_be_renamable(request.name, home)
    if request.protected is not False:
        must_not_be_protected(old)
    policy = request.policy()
    if runs and (policy.target is Target.PRESENT or policy.restart is Restart.NEVER):
        raise InstanceError(
            f"instance {old.name!r} is running, and has to be stopped to become {request.name!r} "
            f"(state: {policy.target}, restart: {policy.restart}).",
            hint="Stop it first, or ask for state: started with restart: auto.",
        )


def _expected_instance(old: Instance, name: str, home: Path, host: Host) -> Instance:
    """The instance after the rename: stopped, with its lima.yaml resolved under the new name."""
    config = old.config
    if config is not None:
        config = effective(old.document, host, name=name, instance_dir=home / name, current_dir=old.dir)
    status = old.status if old.status is Status.BROKEN else Status.STOPPED
    return replace(old, name=name, config=config, status=status, agent=None, driver=None, failure=None)


def _with_rename(
    old: Instance, outcome: Outcome, name: str, before: dict[str, object] | None = None
) -> Outcome:
    """The outcome of the rest with the rename added."""
    before = {"name": old.name, **(before or state_of(old) or {})}
    gone = "delete" in outcome.actions
    after = None if gone else {**before, **(outcome.after or {}), "name": name}
    return replace(outcome, changed=True, before=before, after=after, actions=(_RENAME, *outcome.actions))
