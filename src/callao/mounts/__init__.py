# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared directories: the host's side of each mount."""

from callao.mounts.sshfs import Share, mount_sshfs, sftp_server

__all__ = ["Share", "mount_sshfs", "sftp_server"]
