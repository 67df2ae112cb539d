# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's socket counts: whether a new listener is possible, at a hundredth of a scan's cost."""

import sys

assert sys.platform == "linux"

import os

TABLES = ("/proc/net/sockstat", "/proc/net/sockstat6")
COUNTED = (b"TCP:", b"UDP:", b"TCP6:", b"UDP6:")


def counts(table: bytes) -> "list[bytes]":
    """How many sockets are in use by protocol (kernel: net/ipv4/proc.c, sockstat_seq_show)."""
    return [line.split(None, 3)[2] for line in table.splitlines() if line.startswith(COUNTED)]


class SocketCounts:
    """The kernel's counts of sockets in use. Connections count, too, and a socket that opens while another
    closes does not show: a difference is a reason to scan, and no difference proves nothing."""

    def __init__(self, tables: "tuple[str, ...]" = TABLES) -> None:
        self._tables = []  # type: list[int]
        self._seen = []  # type: list[bytes]
        for path in tables:
            try:
                self._tables.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            except OSError:  # the kernel has no IPv6
                continue

    def remember(self) -> None:
        """Store the counts; call it before a scan."""
        self._seen = self._read()

    def differs(self) -> bool:
        """Whether the counts differ from those before the last scan."""
        now = self._read()
        return now != self._seen and [counts(each) for each in now] != [counts(each) for each in self._seen]

    def _read(self) -> "list[bytes]":
        return [os.pread(table, 4096, 0) for table in self._tables]

    def close(self) -> None:
        for table in self._tables:
            os.close(table)
        self._tables = []
