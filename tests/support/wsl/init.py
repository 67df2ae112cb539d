# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m support.wsl.init ROOT DRIVE SESSIONS IDLE SIZE``: the first process of a distribution.

unshare(1) starts it in new namespaces. It says on its standard output when the distribution is up, and under
which process id the host knows it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from pathlib import Path

from support.wsl.namespaces import MS_BIND, MS_PRIVATE, MS_REC, mount

_TURN = 0.1


def main(root: str, drive: str, sessions: str, idle: float, size: int) -> int:
    pid = os.readlink("/proc/self")  # noqa: PTH115 - of the host's proc(5)
    lock = os.open(sessions, os.O_RDWR | os.O_CREAT, 0o600)
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount(root, root, "", MS_BIND | MS_REC)
    for name in ("dev", "proc", "run", "sys", "mnt/c"):
        os.makedirs(f"{root}/{name}", exist_ok=True)  # noqa: PTH103
    mount("/dev", f"{root}/dev", "", MS_BIND | MS_REC)
    mount("proc", f"{root}/proc", "proc", 0)
    mount("tmpfs", f"{root}/run", "tmpfs", 0)
    mount("tmpfs", f"{root}/sys", "tmpfs", 0)
    mount(drive, f"{root}/mnt/c", "", MS_BIND)
    os.chroot(root)
    os.chdir("/")
    _show_size(size)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # processes that have lost their parents end here
    os.write(1, f"{pid}\n".encode())
    os.close(1)
    left = idle
    while left > 0:
        time.sleep(_TURN)
        left = left - _TURN if _nobody(lock) else idle
    return 0


def _show_size(size: int) -> None:
    """Have /sys say how large the disk is that / is on."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        _, _, device, _, place, *_ = line.split()
        if place == "/":
            found = device
    folder = Path("/sys/dev/block", found)
    folder.mkdir(parents=True)
    (folder / "size").write_text(f"{size // 512}\n")


def _nobody(lock: int) -> bool:
    """Whether no program of Windows is in the distribution."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(lock, fcntl.LOCK_UN)
    return True


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4], float(sys.argv[4]), int(sys.argv[5])))
