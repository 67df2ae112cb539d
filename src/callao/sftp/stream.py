# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for paramiko's Channel and Transport, over two file descriptors."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Stream:
    """The methods of a channel that SFTPServer calls: send, receive, and names for its log."""

    incoming: int
    outgoing: int

    def recv(self, size: int) -> bytes:
        """Read some bytes; returns none at the end of the stream, which ends the session."""
        return os.read(self.incoming, size)

    def send(self, data: bytes) -> int:
        """Write as many bytes as possible; returns their number."""
        return os.write(self.outgoing, data)

    def close(self) -> None:
        """Does nothing: the process closes both descriptors when it exits."""

    def get_name(self) -> str:
        return "stdio"

    def get_transport(self) -> Stream:
        return self

    def get_log_channel(self) -> str:
        return "paramiko"

    def get_hexdump(self) -> bool:
        return False
