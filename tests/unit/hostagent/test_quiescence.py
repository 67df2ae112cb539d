# SPDX-License-Identifier: GPL-3.0-or-later
"""A process is let come to rest before the machine that it is gets kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from callao.hostagent.api.quiescence import wait_until_idle
from callao.instances.process_identity import identify

BUSY = """
import pathlib, sys, time
end = time.monotonic() + 1.5
while time.monotonic() < end:
    pass
pathlib.Path(sys.argv[1]).touch()
time.sleep(600)
"""


def test_what_is_busy_is_waited_for(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", BUSY, str(tmp_path / "idle")])
    try:
        wait_until_idle(identify(process.pid))
        assert (tmp_path / "idle").exists()
    finally:
        process.kill()
        process.wait()


def test_what_is_gone_is_not(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    gone = identify(process.pid)
    process.communicate(b"\n")
    wait_until_idle(gone)
