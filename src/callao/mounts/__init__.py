# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared directories: the host's side of each mount, and what is done for it in the guest."""

from callao.mounts.guest import mount_in_guest, unmount_in_guest
from callao.mounts.server import server_argv, sftp_server
from callao.mounts.sshfs import Share, mount_sshfs

__all__ = ["Share", "mount_in_guest", "mount_sshfs", "server_argv", "sftp_server", "unmount_in_guest"]
