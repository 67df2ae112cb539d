# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m callao.mcp.checkpoints.discard HOME NAME TAG…``: deletes snapshots of an instance."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from callao.errors import CallaoError
from callao.host import Host
from callao.lifecycle.snapshots.operations import delete

_TIMEOUT = 600.0
"""Seconds to wait for another run's lock of the instance."""


def main(home: Path, name: str, tags: Sequence[str]) -> None:
    for tag in tags:
        with contextlib.suppress(CallaoError):  # the instance is gone, and its snapshots with it
            delete(name, tag, home=home, host=Host.detect(), timeout=_TIMEOUT)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
