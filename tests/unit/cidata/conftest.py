# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds to test with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from callao.cidata import Seed
from callao.config.schema import Arch, Config, MountType, User, VMType

MakeSeed = Callable[..., Seed]

_HOST_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"


@pytest.fixture
def make_seed() -> MakeSeed:
    """A seed for alice's instance ``web``; keyword arguments are fields of the configuration."""

    def make(*, name: str = "web", environment: dict[str, str] | None = None, **fields: Any) -> Seed:
        config = Config(
            vm_type=VMType.QEMU,
            arch=Arch.X86_64,
            images=(),
            cpus=1,
            memory=2**30,
            disk=2**32,
            mount_type=MountType.REVERSE_SSHFS,
            user=User(name="alice", comment="Alice Doe", home="/home/alice.guest", uid=1501),
        )
        return Seed(
            name=name,
            config=msgspec.structs.replace(config, **fields),
            authorized_keys=("ssh-ed25519 AAAAuser alice@host",),
            host_key=_HOST_KEY,
            host_key_pub="ssh-ed25519 AAAAhost lima-web\n",
            mac_address="52:55:55:AA:BB:CC",
            environment=environment or {},
        )

    return make
