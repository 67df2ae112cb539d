# SPDX-License-Identifier: GPL-3.0-or-later
"""System calls that Python 3.11 has no function for."""

from __future__ import annotations

import ctypes
import os

_LIBRARY = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_SIGKILL = 9
KINDS = (("user", 0x10000000), ("mnt", 0x20000), ("uts", 0x4000000), ("pid", 0x20000000))
"""Namespaces, the one that gives the right to enter the others first."""

MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 1 << 18


def as_root() -> list[str]:
    """Words that have unshare(1) make a user the root of a namespace with ids of its own."""
    return [] if os.geteuid() == 0 else ["--user", "--map-root-user", "--map-auto"]


def enter(pid: int) -> None:
    """Enter all namespaces of a process, and its root. Processes that are forked then are in its pid
    namespace."""
    root = os.open(f"/proc/{pid}/root", os.O_RDONLY)
    for name, flag in KINDS:
        if name == "user" and os.geteuid() == 0:
            continue
        descriptor = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
        _check(_LIBRARY.setns(descriptor, flag), f"setns {name}")
        os.close(descriptor)
    os.fchdir(root)
    os.chroot(".")
    os.chdir("/")


def unshare() -> None:
    """New namespaces for this process, of process ids for those that it forks."""
    _check(_LIBRARY.unshare(sum(flag for name, flag in KINDS if name != "user")), "unshare")


def unshare_mounts() -> None:
    _check(_LIBRARY.unshare(dict(KINDS)["mnt"]), "unshare")


def die_with_parent() -> None:
    _check(_LIBRARY.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl")


def mount(source: str, target: str, kind: str, flags: int) -> None:
    words = [each.encode() for each in (source, target, kind)]
    _check(_LIBRARY.mount(*words, ctypes.c_ulong(flags), None), f"mount {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
