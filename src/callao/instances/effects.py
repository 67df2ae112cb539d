# SPDX-License-Identifier: GPL-3.0-or-later
"""A table: when a change of each field takes effect on an existing instance."""

from __future__ import annotations

import enum
import hashlib

import msgspec

from callao.config import Change, Config
from callao.config.schema import Egress


class Effect(enum.Enum):
    """When a change takes effect."""

    NEVER = enum.auto()
    """Fixed when the instance was made."""
    AT_CREATE = enum.auto()
    """Read only when the instance is created; no effect on an existing one."""
    LIVE = enum.auto()
    """Applied to the running machine."""
    AT_START = enum.auto()
    """Read at the next start."""


_EFFECTS = {
    "vmType": Effect.NEVER,
    "arch": Effect.NEVER,
    "os": Effect.NEVER,
    "user": Effect.NEVER,
    "images": Effect.AT_CREATE,
    "minimumLimaVersion": Effect.AT_CREATE,
    "warm": Effect.AT_CREATE,
    "additionalDisks": Effect.LIVE,
    "portForwards": Effect.LIVE,
    "networks": Effect.LIVE,
    "message": Effect.LIVE,
    "probes": Effect.LIVE,
    "copyToHost": Effect.LIVE,
    "secrets": Effect.LIVE,
    "egress.allow": Effect.LIVE,
    "egress.log": Effect.LIVE,
    "ssh.forwardAgent": Effect.LIVE,
    "ssh.forwardX11": Effect.LIVE,
    "ssh.forwardX11Trusted": Effect.LIVE,
}
"""By path; a path inherits from its parents; any other takes effect at the next start."""


def effect_of(path: str) -> Effect:
    """The effect of a change at ``path``, as in ``ssh.forwardAgent`` or ``mounts[0].writable``."""
    path = path.partition("[")[0]
    while path:
        if path in _EFFECTS:
            return _EFFECTS[path]
        path = path.rpartition(".")[0]
    return Effect.AT_START


def shrinks_disk(change: Change) -> bool:
    """Whether a change would make the disk smaller."""
    return change.path == "disk" and int(str(change.after)) < int(str(change.before))


def fingerprint(config: Config) -> str:
    """A digest of all fields that a start reads: equal for two configurations that boot the same machine."""
    settled = msgspec.structs.replace(
        config,
        images=(),
        minimum_lima_version=None,
        additional_disks=(),
        port_forwards=(),
        networks=(),
        message="",
        probes=(),
        copy_to_host=(),
        secrets=(),
        egress=None if config.egress is None else Egress(),
        ssh=msgspec.structs.replace(
            config.ssh, forward_agent=False, forward_x11=False, forward_x11_trusted=False
        ),
    )
    read = msgspec.to_builtins(settled)
    # Deleted, not set to defaults: machines may run that were started before these fields existed.
    del read["warm"]
    del read["secrets"]
    if not read["hostname"]:
        del read["hostname"]
    if read["egress"] is None:
        del read["egress"]
    if not read["binfmt"]:
        del read["binfmt"]
    return hashlib.sha256(msgspec.json.encode(read, order="sorted")).hexdigest()
