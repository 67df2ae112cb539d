# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes ssh.config of a running instance, by which Callao's clients and any other ssh reach it."""

from __future__ import annotations

from callao.atomic import write_volatile
from callao.config import Config
from callao.host import identity_file
from callao.instances import InstancePaths, ssh_alias
from callao.reach import Reach
from callao.ssh import Endpoint, render


def write_ssh_config(paths: InstancePaths, config: Config, reach: Reach) -> None:
    """:raises OSError: when it cannot be written."""
    endpoint = Endpoint(
        alias=ssh_alias(paths.name),
        reach=reach,
        user=config.user.name,
        identity=identity_file(paths.dir.parent),
        known_hosts=paths.known_hosts,
        control_path=paths.ssh_sock,
        forward_agent=config.ssh.forward_agent,
        forward_x11=config.ssh.forward_x11,
        forward_x11_trusted=config.ssh.forward_x11_trusted,
    )
    write_volatile(paths.ssh_config, render(endpoint).encode(), mode=0o600)
