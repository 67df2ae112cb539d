# SPDX-License-Identifier: GPL-3.0-or-later
"""``ssh.overVsock`` with QEMU: by the kernel's vhost-vsock, which only Linux has."""

from __future__ import annotations

import hashlib

from callao.config import Config
from callao.instances import InstancePaths
from callao.reach import Reach
from callao.ssh.proxy import by_vsock
from callao.system import vhost_vsock

SSH_PORT = 22
"""As systemd's sshd-vsock.socket has it."""

_FIRST_CID = 1 << 16
"""Of ours; people choose low ones for their own machines."""


def has_vsock(config: Config) -> bool:
    """Whether the machine gets the device."""
    return config.ssh.over_vsock and vhost_vsock()


def cid_of(paths: InstancePaths) -> int:
    """The guest's address, the same at each start: 31 bits of a hash of the instance's folder."""
    digest = hashlib.sha256(bytes(str(paths.dir), "utf-8", "surrogateescape")).digest()
    return _FIRST_CID + (int.from_bytes(digest[:4], "big") >> 1)


def reach_of(paths: InstancePaths, config: Config, port: int) -> Reach:
    """By vsock where the machine has it, and by the port where sshd does not answer there."""
    by_port = Reach(port)
    return by_vsock(by_port, cid_of(paths), SSH_PORT) if has_vsock(config) else by_port
