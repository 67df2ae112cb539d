# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSSH's sftp-server, for which drive C: is the folder ``/C:``, as on Windows."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from support.wsl import store
from support.wsl.namespaces import MS_BIND, MS_PRIVATE, MS_REC, mount, unshare_mounts

_PROGRAM = "/usr/lib/openssh/sftp-server"
_NEEDED = ("usr", "lib", "lib64", "bin", "etc", "dev")


def serve() -> int:
    with tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if child == 0:
            try:
                _become(Path(folder))
            finally:
                os._exit(127)
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)


def _become(folder: Path) -> None:
    unshare_mounts()
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("tmpfs", str(folder), "tmpfs", 0)
    for name in _NEEDED:
        source = Path("/", name)
        if source.exists():
            (folder / name).mkdir()
            mount(str(source.resolve()), str(folder / name), "", MS_BIND | MS_REC)
    (folder / "C:").mkdir()
    mount(str(store.drive()), str(folder / "C:"), "", MS_BIND)
    os.chroot(folder)
    os.chdir("/")
    os.execv(_PROGRAM, [_PROGRAM])
