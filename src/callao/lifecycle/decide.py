# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes the steps from the actual state to the requested one. Reads files, changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from callao.errors import InstanceNotFound
from callao.host import Host
from callao.instances import Desired, Instance, Plan, Step, Target, inspect, plan
from callao.lifecycle.desired import desired
from callao.lifecycle.request import Request

if TYPE_CHECKING:
    from callao.lockfile import LockFile


def decide(request: Request, actual: Instance | None, home: Path, host: Host) -> tuple[Desired | None, Plan]:
    """The desired state of the instance, and the steps from the actual state to it.

    :raises CallaoError: when the request cannot be met.
    """
    policy = request.policy()
    if policy.target is Target.ABSENT:
        return None, plan(None, actual, policy)
    if policy.target is Target.STOPPED and actual is None:
        return None, plan(None, None, policy)
    lock = _read_lock_file(request)
    wanted = desired(request, actual, home, host, lock=lock)
    steps = plan(wanted, actual, policy)
    if wanted is not None:
        steps = Plan(steps.steps, steps.changes, (*steps.notices, *wanted.notices))
    config = wanted.config if wanted else actual.config if actual else None
    if config is not None and {Step.CREATE, Step.CONFIGURE, Step.START} & set(steps.steps):
        from callao.lifecycle.unsupported import (
            existing_instance_notices,
            new_instance_notices,
            notices,
            refuse_folder,
            refuse_unsupported,
        )

        refuse_folder(config, home / request.name)
        refuse_unsupported(config, request.name, host, new=Step.CREATE in steps.steps)
        if config.networks:
            from callao.networks.users import check_mac_addresses

            check_mac_addresses(config, request.name, home)
        document = wanted.document if wanted else actual.document if actual else {}
        messages = notices(document, config)
        if wanted is not None:
            messages = (*map(str, wanted.warnings), *messages, *_warm_notices(request, wanted, steps))
        if Step.CREATE in steps.steps:
            messages = (*messages, *new_instance_notices(document))
        else:
            messages = (*messages, *existing_instance_notices(config))
        steps = Plan(steps.steps, steps.changes, (*steps.notices, *messages))
    if lock is not None:
        from callao.lockfile import notices as of_lock

        steps = Plan(steps.steps, steps.changes, (*steps.notices, *of_lock(lock)))
    return wanted, steps


def _warm_notices(request: Request, wanted: Desired, steps: Plan) -> tuple[str, ...]:
    if Step.CREATE not in steps.steps or not request.is_warm(wanted.config):
        return ()
    if Step.START not in steps.steps:
        return (f"{wanted.name}: warm: has no effect, as the instance is not started now: it will boot.",)
    from callao.lifecycle.warm.limit import max_cache_size

    max_cache_size()  # raises for an invalid size, before anything is created
    return ()


def _read_lock_file(request: Request) -> LockFile | None:
    if request.lock is None:
        return None
    from callao.lockfile import read

    return read(request.lock)


def find_instance(name: str, home: Path, host: Host) -> Instance | None:
    """The instance as it is now; None where there is none."""
    try:
        return inspect(name, home, host)
    except InstanceNotFound:
        return None
