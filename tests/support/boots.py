# SPDX-License-Identifier: GPL-3.0-or-later
"""Which test started which machine: QEMU is started by a script that writes it down first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from callao.atomic import write_file

_SCRIPT = """#!/bin/sh
case " $* " in
*/qmp.sock*) printf '%s\\t%s\\n' "$PYTEST_CURRENT_TEST" "$*" >>{log} ;;
esac
exec {program} "$@"
"""
_SOCKET = re.compile(r"path=([^\s,]*)/qmp\.sock")


class Kind(StrEnum):
    """How a machine starts."""

    COLD = "cold boots"
    AGAIN = "restarts"
    WARM = "warm starts"


@dataclass(frozen=True)
class Boot:
    """One start of a machine, and the test that was running."""

    test: str
    kind: Kind


def write_recorder(folder: Path, program: str) -> Path:
    """A script by which to start the emulator ``program``: it records each start in ``folder``."""
    script = folder / Path(program).name
    # Another worker may be executing it.
    write_file(script, _SCRIPT.format(log=folder / "boots", program=program).encode(), mode=0o755)
    return script


def recorded(folder: Path) -> Iterator[Boot]:
    """What such a script has recorded; an instance that boots once more is a restart."""
    log, seen = folder / "boots", set[str]()
    for line in log.read_text(errors="replace").splitlines() if log.exists() else []:
        test, _, argv = line.partition("\t")
        if found := _SOCKET.search(argv):
            booted = Kind.AGAIN if found[1] in seen else Kind.COLD
            seen.add(found[1])
            yield Boot(test.rpartition(" (")[0], Kind.WARM if "-incoming" in argv.split() else booted)
