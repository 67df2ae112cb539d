# SPDX-License-Identifier: GPL-3.0-or-later
"""The input of an instance's seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from callao.config.names import hostname_of
from callao.config.schema import Config
from callao.guest_network import USER_MODE, GuestNetwork


@dataclass(frozen=True)
class Seed:
    """Everything that a seed depends on, except the certificate files that the configuration names."""

    name: str
    config: Config
    authorized_keys: tuple[str, ...]
    """OpenSSH public keys, a line each."""
    host_key: str
    """The guest's ed25519 host key: OpenSSH's private key text."""
    host_key_pub: str
    mac_address: str
    """The MAC address of the first NIC."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The host's environment, for the proxy variables."""
    network: GuestNetwork = USER_MODE
    """The network of the first NIC."""
    guest_port: int = 0
    """The port of vsock(7) at which the guest's program listens; 0 where it has a virtio-serial port."""

    @property
    def hostname(self) -> str:
        return hostname_of(self.name, self.config.hostname)
