# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out the steps of a plan in order; the caller holds the instance's lock."""

from __future__ import annotations

from pathlib import Path

import msgspec

from callao.autostart import disable, enable
from callao.disks.ownership import must_be_available
from callao.drivers import driver_for
from callao.errors import CallaoError, ConfigError
from callao.events import Reporter
from callao.host import Host
from callao.instances import Desired, Instance, InstancePaths, Plan, ResumeState, Step, inspect
from callao.instances.broken import require_config
from callao.instances.records import write_json
from callao.lifecycle.cleanup import remove_leftovers
from callao.lifecycle.create import create
from callao.lifecycle.delete import delete
from callao.lifecycle.protect import set_protected
from callao.lifecycle.refresh import refresh
from callao.lifecycle.request import Request
from callao.lifecycle.start import start
from callao.lifecycle.stop import stop
from callao.lifecycle.unsupported import refuse_disks
from callao.lifecycle.wait_ready import wait_until_ready
from callao.lifecycle.write_config import write_config


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

    :raises CallaoError: when a step fails. The steps before it are not undone; after each of them the
        instance is in a state that the next run can continue from.
    """
    if Step.START in steps.steps and request.config.get("portForwards"):
        from callao.lifecycle.port_forwards import refuse_taken_by_others

        refuse_taken_by_others(request, actual, host, home)
    paths = InstancePaths(home / request.name)
    config = wanted.config if wanted is not None else actual.config if actual is not None else None
    if Step.START in steps.steps and config is not None and config.additional_disks:
        must_be_available([each.name for each in config.additional_disks], paths.dir)
        refuse_disks(config, home)
    remove_leftovers(home, request.name)
    old_text = b""
    resume_state: ResumeState | None = None
    for step in steps.steps:
        match step:
            case Step.DELETE:
                assert actual is not None
                delete(actual, report)
            case Step.CREATE:
                assert wanted is not None
                warm = Step.START in steps.steps and request.is_warm(wanted.config)
                resume_state = _create(wanted, request, home=home, host=host, report=report, warm=warm)
            case Step.CONFIGURE:
                assert wanted is not None
                old_text = paths.lima_yaml.read_bytes()
                write_config(paths, wanted.document, report, wanted.text)
            case Step.LABEL:
                assert actual is not None
                assert wanted is not None
                record = msgspec.structs.replace(actual.record, labels=dict(wanted.labels or {}))
                write_json(paths.callao_json, record)
            case Step.STOP:
                assert actual is not None
                stop(actual, force=request.force, report=report)
            case Step.START:
                try:
                    _start(request, home, host, report, resume_state)
                except (CallaoError, TimeoutError) as error:
                    if wanted is None or resume_state is None or request.origin:
                        raise
                    _create_cold(wanted, str(error), request, home=home, host=host, report=report)
                    _start(request, home, host, report)
            case Step.WAIT:
                wait_until_ready(inspect(request.name, home, host), request.timeout, report)
            case Step.REFRESH:
                refresh(paths, old_text)
            case Step.PROTECT | Step.UNPROTECT:
                set_protected(paths, on=step is Step.PROTECT)
            case Step.AUTOSTART:
                enable(request.name, home)
            case Step.NO_AUTOSTART:
                disable(request.name, home)


def _create(
    wanted: Desired, request: Request, *, home: Path, host: Host, report: Reporter, warm: bool
) -> ResumeState | None:
    """Create the instance; returns the saved state that its start resumes from, None where it boots."""
    if request.origin:
        from callao.lifecycle.create_from import create_from

        return create_from(request.origin, wanted, home=home, host=host, report=report)
    if warm:
        from callao.lifecycle.warm.create import create_warm

        return create_warm(
            wanted, home=home, host=host, access=request.access, timeout=request.timeout, report=report
        )
    create(wanted, home, report, request.access, timeout=request.timeout)
    return None


def _create_cold(
    wanted: Desired, reason: str, request: Request, *, home: Path, host: Host, report: Reporter
) -> None:
    """Create the instance again so that it boots, because its warm start failed."""
    from callao.lifecycle.warm.create import create_cold

    access, timeout = request.access, request.timeout
    create_cold(wanted, reason, home=home, host=host, access=access, timeout=timeout, report=report)


def _start(
    request: Request, home: Path, host: Host, report: Reporter, resume_state: ResumeState | None = None
) -> None:
    instance = inspect(request.name, home, host)
    config = require_config(instance)
    driver = driver_for(config.vm_type)
    problems = driver.validate(config, host)
    if problems:
        raise ConfigError(problems, source=str(instance.paths.lima_yaml))
    if not instance.paths.disk.exists():
        from callao.lifecycle.recreate_disk import recreate_disk

        instance = recreate_disk(instance, driver, home=home, access=request.access, report=report)
    start(instance, driver, home, request.timeout, report, resume_state, access=request.access)
