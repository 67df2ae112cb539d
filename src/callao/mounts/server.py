# SPDX-License-Identifier: GPL-3.0-or-later
"""The SFTP server on the host: OpenSSH's, or our own, which is confined to the shared directory."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from callao.config.schema import Mount
from callao.errors import AgentError

_SFTP_SERVER_PATHS = (
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/libexec/sftp-server",
    "/usr/lib/ssh/sftp-server",
)
"""Paths on Debian, Fedora, macOS and Arch: it is not on PATH."""


def sftp_server() -> str | None:
    """OpenSSH's SFTP server on this host; None when there is none."""
    found = [path for path in _SFTP_SERVER_PATHS if Path(path).exists()]
    return found[0] if found else shutil.which("sftp-server")


def server_argv(mount: Mount) -> list[str]:
    """The command line of the mount's ``sftpDriver``. The default is our own server, because OpenSSH's gives
    the guest's root access to everything that the user may read.

    The server refuses writes to a share that is not writable, so the guest's root cannot write either.

    :raises AgentError: when OpenSSH's is asked for, and there is none.
    """
    if mount.sshfs.sftp_driver in (None, "builtin"):
        argv = [sys.executable, "-P", "-m", "callao.sftp", "--root", mount.location]
        argv += ["--writable"] if mount.writable else []
        return [*argv, "--follow-symlinks"] if mount.sshfs.follow_symlinks else argv
    program = sftp_server()
    if program is None:
        raise AgentError(
            "mounts: sshfs.sftpDriver: there is no sftp-server on this host.",
            hint="Install OpenSSH's SFTP server, or set sftpDriver: builtin.",
        )
    return [program, "-e", *([] if mount.writable else ["-R"])]
