# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan's steps, done one after the other, under the instance's lock."""

from __future__ import annotations

from pathlib import Path

import msgspec

from callao.autostart import disable, enable
from callao.drivers import driver_for
from callao.errors import ConfigError
from callao.events import Reporter
from callao.host import Host
from callao.instances import Desired, Instance, InstancePaths, Plan, Step, inspect
from callao.instances.broken import usable
from callao.instances.files import write_json
from callao.lifecycle.create import create
from callao.lifecycle.delete import delete
from callao.lifecycle.follow import follow
from callao.lifecycle.leftovers import sweep
from callao.lifecycle.protect import protect
from callao.lifecycle.refresh import refresh
from callao.lifecycle.request import Request
from callao.lifecycle.start import start
from callao.lifecycle.stop import stop
from callao.lifecycle.write import write_wanted


def apply(
    steps: Plan,
    wanted: Desired | None,
    actual: Instance | None,
    request: Request,
    *,
    home: Path,
    host: Host,
    report: Reporter,
) -> None:
    """Carry out ``steps``.

    :raises CallaoError: when one fails; the steps before it stay done, and each leaves an instance
        that the next run can go on from.
    """
    if Step.START in steps.steps and request.config.get("portForwards"):
        from callao.lifecycle.port_forwards import refuse_taken_by_others

        refuse_taken_by_others(request, actual, host, home)
    paths = InstancePaths(home / request.name)
    sweep(home, request.name)
    before = b""
    started = False
    for step in steps.steps:
        match step:
            case Step.DELETE:
                assert actual is not None
                delete(actual, report)
            case Step.CREATE:
                assert wanted is not None
                started = _create(steps, wanted, request, home=home, host=host, report=report)
            case Step.CONFIGURE:
                assert wanted is not None
                before = paths.lima_yaml.read_bytes()
                write_wanted(paths, wanted.document, report, wanted.text)
            case Step.LABEL:
                assert actual is not None
                assert wanted is not None
                record = msgspec.structs.replace(actual.record, labels=dict(wanted.labels or {}))
                write_json(paths.callao_json, record)
            case Step.STOP:
                assert actual is not None
                stop(actual, force=request.force, report=report)
            case Step.START:
                if not started:
                    _start(request, home, host, report)
            case Step.AWAIT:
                follow(inspect(request.name, home, host), request.timeout, report)
            case Step.REFRESH:
                refresh(paths, before)
            case Step.PROTECT | Step.UNPROTECT:
                protect(paths, on=step is Step.PROTECT)
            case Step.AUTOSTART:
                enable(request.name, home)
            case Step.NO_AUTOSTART:
                disable(request.name, home)


def _create(
    steps: Plan, wanted: Desired, request: Request, *, home: Path, host: Host, report: Reporter
) -> bool:
    """Make the instance; returns whether it has been started by that, if it shall be."""
    runs = Step.START in steps.steps
    if request.origin:
        from callao.lifecycle.branch import bring_from

        timeout = request.timeout
        bring_from(request.origin, wanted, home=home, host=host, runs=runs, timeout=timeout, report=report)
        return True
    if runs and request.is_warm(wanted.config):
        from callao.lifecycle.warm import bring

        bring(wanted, home=home, host=host, access=request.access, timeout=request.timeout, report=report)
        return True
    create(wanted, home, report, request.access, timeout=request.timeout)
    return False


def _start(request: Request, home: Path, host: Host, report: Reporter) -> None:
    instance = inspect(request.name, home, host)
    config = usable(instance)
    driver = driver_for(config.vm_type)
    problems = driver.validate(config, host)
    if problems:
        raise ConfigError(problems, source=str(instance.paths.lima_yaml))
    if not instance.paths.disk.exists():
        from callao.lifecycle.remake import remake_disk

        instance = remake_disk(instance, driver, home=home, access=request.access, report=report)
    start(instance, driver, home, request.timeout, report)
