# SPDX-License-Identifier: GPL-3.0-or-later
"""The size of a distribution's disk, which takes no more space of the drive than its content.

WSL gives each distribution a disk of its own default, 1 TiB by now, so ``disk`` has an effect only where it
asks for more: WSL could make a file system smaller, and might lose what is in it.
"""

from __future__ import annotations

from callao.config import format_size
from callao.config.defaults import DISK
from callao.drivers.wsl2.text import decode
from callao.drivers.wsl2.wsl_exe import Wsl
from callao.errors import DriverError

OLDEST = (2, 5)
"""The first release of WSL that enlarges a distribution's disk."""

_SECTOR = 512
_MIB = 2**20
_READ = (
    "while read -r id parent device root place rest; do "
    '[ "$place" = / ] && found=$device; done </proc/self/mountinfo; cat /sys/dev/block/$found/size'
)
"""The last mount on / is the one that is seen; sizes are in sectors, see proc_pid_mountinfo(5)."""


def grow(wsl: Wsl, name: str, wanted: int) -> str:
    """Have the disk of a distribution be as large as wanted, or larger. It does not run after.

    :returns: why a smaller size has no effect; empty otherwise.
    :raises DriverError: when it cannot be enlarged.
    """
    if wanted == DISK:  # nobody has asked for a size
        return ""
    now = _size(wsl, name)
    wanted_mib = -(-wanted // _MIB)
    if now == wanted_mib * _MIB:
        return ""
    if now > wanted_mib * _MIB:
        return (
            f"disk: {format_size(wanted)}: has no effect with vmType wsl2: WSL has made a disk of "
            f"{format_size(now)}, which takes the space of its content, and it is not made smaller."
        )
    release = wsl.version()
    if _numbers(release) < OLDEST:
        oldest = ".".join(str(each) for each in OLDEST)
        raise DriverError(
            f"disk: {format_size(wanted)}: WSL {release} cannot enlarge the disk of a distribution, which "
            f"has {format_size(now)} (needed: WSL {oldest} or newer).",
            hint=f"Update WSL: wsl.exe --update; or have disk be at most {format_size(now)}.",
        )
    wsl.terminate(name)
    wsl.resize(name, wanted_mib)
    return ""


def _size(wsl: Wsl, name: str) -> int:
    said = decode(wsl.execute(name, ["/bin/sh", "-c", _READ]).stdout).strip()
    if not said.isascii() or not said.isdigit():
        raise DriverError(f"the distribution {name} does not tell the size of its disk, but {said[:40]!r}.")
    return int(said) * _SECTOR


def _numbers(release: str) -> tuple[int, ...]:
    parts = release.split(".")
    return tuple(int(each) for each in parts) if all(each.isdigit() for each in parts) else ()
