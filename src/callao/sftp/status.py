# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps errno to SFTP status codes: draft-ietf-secsh-filexfer-02, section 7."""

from __future__ import annotations

import errno

from paramiko.sftp import (
    SFTP_BAD_MESSAGE,
    SFTP_FAILURE,
    SFTP_NO_SUCH_FILE,
    SFTP_OP_UNSUPPORTED,
    SFTP_PERMISSION_DENIED,
)

_CODES: dict[int, int] = {
    errno.EACCES: SFTP_PERMISSION_DENIED,
    errno.EPERM: SFTP_PERMISSION_DENIED,
    errno.EROFS: SFTP_PERMISSION_DENIED,
    errno.ENOENT: SFTP_NO_SUCH_FILE,
    errno.ENOTDIR: SFTP_NO_SUCH_FILE,
    errno.ELOOP: SFTP_NO_SUCH_FILE,
    errno.EBADF: SFTP_NO_SUCH_FILE,
    errno.EINVAL: SFTP_BAD_MESSAGE,
    errno.ENAMETOOLONG: SFTP_BAD_MESSAGE,
    errno.ENOSYS: SFTP_OP_UNSUPPORTED,
    errno.EOPNOTSUPP: SFTP_OP_UNSUPPORTED,
}


def code(error: OSError) -> int:
    """The status code that OpenSSH's server returns for the error, because sshfs was written against it."""
    return _CODES.get(error.errno or 0, int(SFTP_FAILURE))
