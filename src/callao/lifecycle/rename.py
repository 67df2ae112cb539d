# SPDX-License-Identifier: GPL-3.0-or-later
"""Renames an instance."""

from __future__ import annotations

from pathlib import Path

from callao.atomic import sync_folder
from callao.autostart import disable, enable
from callao.config import check_hostname, check_name, check_socket_path
from callao.errors import InstanceError, InstanceProtected
from callao.instances import Instance, InstancePaths
from callao.instances.lock import instance_lock
from callao.lifecycle.cleanup import remove_sockets
from callao.lifecycle.preconditions import must_be_stopped, must_not_exist


def rename(instance: Instance, name: str, *, home: Path, though_protected: bool = False) -> None:
    """Rename the folder; the next start writes the files with the name: seed, ssh.config, known_hosts.

    :raises InstanceError: when the instance runs or is protected, or the name is taken.
    :raises ConfigError: when the name cannot be one.
    """
    must_be_renamable(
        name, home
    )  # before the locks, because two locks of one name would wait for each other
    with instance_lock(instance.name, home), instance_lock(name, home):
        must_be_stopped(instance, "renamed")
        must_not_exist(name, home)
        if not though_protected:
            must_not_be_protected(instance)
        autostart = instance.autostart
        remove_sockets(instance.paths)  # they are found by the folder's name
        try:
            instance.dir.rename(home / name)
            sync_folder(home)
        except OSError as error:
            raise InstanceError(f"instance {instance.name!r} cannot be renamed: {error}.") from error
        InstancePaths(home / name).ssh_config.unlink(missing_ok=True)
        if autostart:
            enable(name, home)
            disable(instance.name, home)


def must_not_be_protected(instance: Instance) -> None:
    """:raises InstanceProtected: when it is."""
    if instance.protected:
        raise InstanceProtected(
            f"instance {instance.name!r} is protected, and keeps its name.",
            hint=f"callao unprotect {instance.name}",
        )


def must_be_renamable(name: str, home: Path) -> None:
    """Check that the name is valid and free.

    :raises InstanceError: when the name is taken.
    :raises ConfigError: when the name cannot be one.
    """
    check_name(name)
    check_hostname(name)
    check_socket_path(home / name)
    must_not_exist(name, home)
