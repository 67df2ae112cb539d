# SPDX-License-Identifier: GPL-3.0-or-later
"""Access to the guest by OpenSSH's client: keys, configuration, connections."""

from typing import TYPE_CHECKING

from callao.lazy import lazy_attributes

if TYPE_CHECKING:
    from callao.ssh.client import Client, CommandResult, read_banner, terminate
    from callao.ssh.config import Endpoint, known_hosts, render
    from callao.ssh.keys import KeyPair, dot_ssh_public_keys, host_key, user_key
    from callao.ssh.target import Target

__all__ = [
    "Client",
    "CommandResult",
    "Endpoint",
    "KeyPair",
    "Target",
    "dot_ssh_public_keys",
    "host_key",
    "known_hosts",
    "read_banner",
    "render",
    "terminate",
    "user_key",
]

__getattr__ = lazy_attributes(
    __name__,
    {
        "client": ("Client", "CommandResult", "read_banner", "terminate"),
        "config": ("Endpoint", "known_hosts", "render"),
        "keys": ("KeyPair", "dot_ssh_public_keys", "host_key", "user_key"),
        "target": ("Target",),
    },
)
