# SPDX-License-Identifier: GPL-3.0-or-later
"""Stops or deletes an instance by its entry in the index, without lima.yaml, template or driver.

It decides as :func:`callao.lifecycle.ensure` does for the states ``stopped`` and ``absent``, and is quick
to import.
"""

from __future__ import annotations

from pathlib import Path

from callao.errors import InstanceNotFound
from callao.instances.broken import REPAIR_HINT, broken_error
from callao.instances.index import IndexedInstance, indexed_instance
from callao.instances.lock import instance_lock
from callao.instances.status import must_be_unprotected
from callao.lifecycle.cleanup import remove_leftovers
from callao.lifecycle.halt import MessageCallback, halt
from callao.lifecycle.remove import finish_removal, remove
from callao.lifecycle.unused_networks import end_unused_networks


def stop_indexed(
    name: str, home: Path, *, force: bool, timeout: float, notice: MessageCallback, passed: MessageCallback
) -> bool:
    """Stop the instance; returns whether there was anything to stop.

    :param timeout: seconds to wait for another run that changes it.
    :raises InstanceNotFound: when there is no such instance.
    :raises InstanceBroken: when its lima.yaml cannot be parsed.
    """
    if not _is_running(indexed_instance(name, home)):
        return False
    with instance_lock(name, home, timeout, notice):
        passed("instance's lock taken")
        remove_leftovers(home, name)
        found = indexed_instance(name, home)
        if _is_running(found):
            halt(found, force=force, notice=notice, passed=passed)
    return True


def delete_indexed(
    name: str, home: Path, *, timeout: float, notice: MessageCallback, passed: MessageCallback
) -> bool:
    """Delete the instance, without shutting down the guest; returns whether there was one.

    :param timeout: seconds to wait for another run that changes it.
    :raises InstanceProtected: when it is marked as protected.
    :raises InstanceError: when its folder cannot be removed.
    """
    try:
        must_be_unprotected(indexed_instance(name, home).paths)
    except InstanceNotFound:
        finish_removal(home, name, timeout)
        return False
    with instance_lock(name, home, timeout, notice):
        passed("instance's lock taken")
        remove_leftovers(home, name)
        try:
            found = indexed_instance(name, home)
        except InstanceNotFound:
            return False
        must_be_unprotected(found.paths)
        if found.agent or found.driver:
            halt(found, force=True, notice=notice, passed=passed)
        else:
            end_unused_networks(home, name, notice)
        remove(found.paths)
        passed("folder removed")
    return True


def _is_running(found: IndexedInstance) -> bool:
    if found.config.errors:
        raise broken_error(found.name, found.config.errors, REPAIR_HINT)
    return found.agent is not None or found.driver is not None
