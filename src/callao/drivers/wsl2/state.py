# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance's folder has of its distribution. WSL keeps the disk itself, where only it can write.

The file ``disk`` is one of two things: the tar of a root file system, of which the next start makes the
distribution, whatever there was before; or a reference to the distribution that was made. So whoever
replaces the file replaces the content of the instance, and no run in between can take an unfinished import
for a whole one: the reference is written last.

The file ``wsl2.json`` is the claim: it is written before an import, and names what may be unregistered.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from callao.atomic import write_file
from callao.config.names import is_instance_name
from callao.errors import DriverError
from callao.instances import InstancePaths, ssh_alias
from callao.instances.records import read_json, write_json

_HEAD = b"callao: the disk of this instance is a distribution of WSL\n"
_LONGEST = 4096


class Claim(msgspec.Struct, frozen=True):
    """A distribution that is this instance's. Once it is whole, it has the identifier in it, in the file
    :data:`MARKER`."""

    distribution: str
    identifier: str
    whole: bool = False


MARKER = "/etc/callao-distribution"


def claim_of(paths: InstancePaths) -> Claim | None:
    """The claim in an instance's folder."""
    claim = read_json(paths.wsl2_json, Claim)
    return claim if claim is not None and _is_ours(claim) else None


def write_claim(paths: InstancePaths, claim: Claim) -> None:
    write_json(paths.wsl2_json, claim)


def write_reference(disk: Path, claim: Claim) -> None:
    """Have ``disk`` refer to the distribution of the claim, which is whole."""
    write_file(disk, _HEAD + msgspec.json.encode(claim) + b"\n")


def reference_of(disk: Path) -> Claim | None:
    """What the file refers to; None for a tar.

    :raises DriverError: when it cannot be read.
    """
    try:
        with disk.open("rb") as file:
            data = file.read(_LONGEST)
    except OSError as error:
        raise DriverError(f"{disk} cannot be read: {error.strerror}.") from error
    if not data.startswith(_HEAD):
        return None
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
        claim = msgspec.json.decode(data[len(_HEAD) :], type=Claim)
        if _is_ours(claim):
            return claim
    raise DriverError(f"{disk} is damaged.", hint="Restore a snapshot of the instance, or reset it.")


def _is_ours(claim: Claim) -> bool:
    """Whether the name can be one that an instance has made: it becomes a word of a command line."""
    prefix = ssh_alias("")
    return claim.distribution.startswith(prefix) and is_instance_name(claim.distribution[len(prefix) :])
