# SPDX-License-Identifier: GPL-3.0-or-later
"""The failure of a tool, in words that the client is shown."""

import errno
import os

_WORDS = {
    errno.ENOENT: "file does not exist",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
}
"""The texts that Lima's server has for these; its clients compare them."""


class ToolError(Exception):
    """What failed, on what, and what to do."""


def shown(path: bytes) -> str:
    return path.decode("utf-8", "replace")


def os_failure(error: OSError, path: bytes) -> ToolError:
    """The failure for an error of the operating system."""
    number = error.errno or 0
    if number in _WORDS:
        return ToolError(_WORDS[number])
    return ToolError(f"{shown(path)}: {os.strerror(number).lower()}")
