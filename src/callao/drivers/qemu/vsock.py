# SPDX-License-Identifier: GPL-3.0-or-later
"""``ssh.overVsock`` with QEMU: by vhost-vsock of the host's kernel, which only Linux has."""

from __future__ import annotations

import hashlib

from callao.config import Config
from callao.instances import InstancePaths
from callao.reach import Reach
from callao.ssh.proxy import by_vsock
from callao.system import vhost_vsock

SSH_PORT = 22
"""The vsock port of systemd's sshd-vsock.socket."""

_FIRST_CID = 1 << 16
"""The lowest context id that is used; low ones are left to machines that users start themselves."""


def has_vsock(config: Config) -> bool:
    """Whether the machine gets a vsock device."""
    return config.ssh.over_vsock and vhost_vsock()


def guest_cid(paths: InstancePaths) -> int:
    """The guest's context id, the same at each start: 31 bits of a hash of the instance's folder."""
    digest = hashlib.sha256(bytes(str(paths.dir), "utf-8", "surrogateescape")).digest()
    return _FIRST_CID + (int.from_bytes(digest[:4], "big") >> 1)


def vsock_reach(paths: InstancePaths, config: Config, port: int) -> Reach:
    """How ssh reaches the guest: by vsock if the machine has it, with the port as fallback."""
    by_port = Reach(port)
    return by_vsock(by_port, guest_cid(paths), SSH_PORT) if has_vsock(config) else by_port
