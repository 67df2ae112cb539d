# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes snapshots of an instance that belong to checkpoints.

``python -m callao.mcp.checkpoints.discard tags HOME NAME TAG…`` deletes these;
``python -m callao.mcp.checkpoints.discard claim HOME NAME PATH`` all those of a server that has ended.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from callao.errors import CallaoError
from callao.host import Host
from callao.instances import InstancePaths
from callao.instances.lock import instance_lock
from callao.lifecycle.snapshots.operations import delete
from callao.mcp.checkpoints.claim import taken_over
from callao.snapshots import list_snapshots

_TIMEOUT = 600.0
"""Seconds to wait for another run's lock of the instance."""


def main(kind: str, home: Path, name: str, rest: Sequence[str]) -> None:
    if kind == "tags":
        _delete(home, name, rest)
        return
    with taken_over(Path(rest[0])) as claim:
        if claim is None:
            return
        claim.remove_files()
        with instance_lock(name, home, _TIMEOUT):
            pass  # the server may have been ended while it took one: now that is on the disk, too
        present = [each.name for each in list_snapshots(InstancePaths(home / name))]
        _delete(home, name, [each for each in present if each.startswith(f"{claim.prefix}-")])
        claim.remove()


def _delete(home: Path, name: str, tags: Sequence[str]) -> None:
    for tag in tags:
        with contextlib.suppress(CallaoError):  # the instance is gone, and its snapshots with it
            delete(name, tag, home=home, host=Host.detect(), timeout=_TIMEOUT)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
