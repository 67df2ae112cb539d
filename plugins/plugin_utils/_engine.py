# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the engine start an instance, or tell why it does not answer. Private to the collection."""

from __future__ import annotations

from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.callao.lima.plugins.module_utils._hints import commands_to_options


def start_instance(name: str, home: Path) -> None:
    """Start a stopped instance as it is, and wait until it is ready.

    :raises AnsibleConnectionFailure: when it doesn't start, or the engine isn't here.
    """
    try:
        from callao.errors import CallaoError
        from callao.events import silent
        from callao.host import Host
        from callao.lifecycle import Request, ensure
    except ImportError as error:
        raise AnsibleConnectionFailure(
            f"lima_autostart: instance {name!r} is stopped, and the Python package callao that could "
            f"start it is not installed on the controller ({error})."
        ) from error
    request = Request(
        name=name,
        state="started",
        template=None,
        config={},
        labels=None,
        force=False,
        recreate=False,
        restart="auto",
        timeout=600.0,
    )
    try:
        ensure(request, home=home, host=Host.detect(), check=False, report=silent)
    except CallaoError as error:
        raise AnsibleConnectionFailure(f"lima_autostart: {commands_to_options(str(error))}") from error


def diagnose(name: str, home: Path) -> str:
    """Why an existing instance does not answer, with the remedy; empty when nothing is wrong with it."""
    try:
        from callao.errors import CallaoError
        from callao.host import Host
        from callao.instances import Status, inspect
        from callao.instances.status import paused_message
    except ImportError:
        return ""
    remedy = f"callao.lima.instance (name: {name}, state: started)"
    try:
        instance = inspect(name, home, Host.detect())
    except CallaoError as error:
        return commands_to_options(str(error))
    if instance.status is Status.BROKEN:
        reasons = "; ".join(instance.errors)
        return (
            f"instance {name!r} is broken ({reasons}): repair it with {remedy}, "
            "or make it anew with recreate: true."
        )
    if instance.status is Status.STOPPED:
        return f"instance {name!r} is stopped: start it with {remedy}, or set lima_autostart to true."
    if instance.status is Status.PAUSED:
        return f"instance {name!r}: {paused_message(instance.paths)}"
    if instance.failure is not None:
        return (
            f"instance {name!r} runs, but its start failed at stage {instance.failure.stage}: "
            f"{instance.failure.message} Look into {instance.paths.serial_log}, then restart it."
        )
    if not instance.ready:
        return f"instance {name!r} is still starting: wait for it with {remedy}."
    return ""
