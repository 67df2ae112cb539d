# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for paramiko's Channel and Transport, over two file descriptors."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Stream:
    """What SFTPServer asks of a channel: bytes in, bytes out, and names for its log."""

    incoming: int
    outgoing: int

    def recv(self, size: int) -> bytes:
        """Some bytes; none at the end of the file, which ends the session."""
        return os.read(self.incoming, size)

    def send(self, data: bytes) -> int:
        """Write what fits, and say how much that was."""
        return os.write(self.outgoing, data)

    def close(self) -> None:
        """Left to the end of the process, which owns both."""

    def get_name(self) -> str:
        return "stdio"

    def get_transport(self) -> Stream:
        return self

    def get_log_channel(self) -> str:
        return "paramiko"

    def get_hexdump(self) -> bool:
        return False
