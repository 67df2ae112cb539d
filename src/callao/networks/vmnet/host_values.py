# SPDX-License-Identifier: GPL-3.0-or-later
"""networks.yaml as this host means it: Lima's defaults in it are macOS's, also on Linux."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from callao.config.network import Networks
from callao.config.networks_yaml import DEFAULT_GROUP, DEFAULT_VAR_RUN, read_networks

_VAR_RUN = "/var/lib/lima"
"""It has the leases, too, so that guests keep their addresses when the host boots: /run would lose them."""

_ADMINISTRATORS = ("sudo", "wheel")
"""The groups of those who may run everything by sudo, on Debian's and on Red Hat's side."""


def networks_of_host(home: Path) -> Networks:
    """What networks.yaml says, with the defaults of Linux in place of macOS's where the host is one.

    :raises ConfigError: with every problem of the file.
    """
    networks = read_networks(home)
    if sys.platform != "linux":
        return networks
    return as_on_linux(networks, has_group=_has_group, has_private=Path("/private/etc").exists())


def as_on_linux(networks: Networks, *, has_group: Callable[[str], bool], has_private: bool) -> Networks:
    """Replace the values that mean nothing on Linux. Pure.

    :param has_private: whether there is a folder ``/private/etc`` after all.
    """
    paths, group = networks.paths, networks.group
    if not has_private:
        if paths.var_run == DEFAULT_VAR_RUN:
            paths = replace(paths, var_run=_VAR_RUN)
        if paths.sudoers.startswith("/private/etc/"):
            paths = replace(paths, sudoers=paths.sudoers.removeprefix("/private"))
    if group == DEFAULT_GROUP and not has_group(group):
        group = next(filter(has_group, _ADMINISTRATORS), group)
    return replace(networks, paths=paths, group=group)


def _has_group(name: str) -> bool:
    if sys.platform == "win32":
        return False
    import grp

    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
