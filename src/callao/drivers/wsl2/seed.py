# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the seed into a distribution: as a folder, by the standard input of tar(1) there.

A distribution has no other's files, and Windows' drives have no modes that would keep the keys from others.
"""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path
from typing import IO

from callao.drivers.wsl2.machine import SEED
from callao.drivers.wsl2.wsl_exe import Wsl
from callao.errors import DriverError

_UNPACK = """\
set -e
umask 077
rm -rf "$1.new"
mkdir -p "$1.new"
tar -xf - -C "$1.new"
rm -rf "$1"
mv "$1.new" "$1"
"""

_PLACE_SECONDS = 600.0
"""The seed may have an archive of some hundred MB."""

_EARLY_SECONDS = 300.0


def place(wsl: Wsl, name: str, folder: Path) -> None:
    """Replace the distribution's seed by that of a folder.

    :raises DriverError: when it cannot be.
    """
    with tempfile.TemporaryFile() as archive:
        _pack(folder, archive)
        archive.seek(0)
        wsl.execute(name, ["/bin/sh", "-c", _UNPACK, "sh", SEED], archive, _PLACE_SECONDS)


def set_up(wsl: Wsl, name: str, log: Path) -> None:
    """Do what comes before a login: the host key, the user, the keys. What was done for this seed already is
    not done again.

    :raises DriverError: when the guest's script fails.
    """
    answer = wsl.execute(name, ["/bin/sh", f"{SEED}/wsl-boot.sh", "wsl_early"], seconds=_EARLY_SECONDS)
    with log.open("ab") as file:
        file.write(answer.stdout + answer.stderr)


def _pack(folder: Path, target: IO[bytes]) -> None:
    try:
        with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for path in sorted(folder.rglob("*")):
                archive.add(path, str(path.relative_to(folder)), recursive=False, filter=_as_root)
    except OSError as error:
        raise DriverError(f"the seed {folder} cannot be read: {error.strerror or error}.") from error


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry
