# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the kernel's socket counts: they show a possible new listener at a hundredth of a scan's cost."""

import sys

assert sys.platform == "linux"

import os

SOCKSTAT_FILES = ("/proc/net/sockstat", "/proc/net/sockstat6")
PROTOCOL_PREFIXES = (b"TCP:", b"UDP:", b"TCP6:", b"UDP6:")


def parse_counts(table: bytes) -> "list[bytes]":
    """How many sockets are in use by protocol (kernel: net/ipv4/proc.c, sockstat_seq_show)."""
    return [line.split(None, 3)[2] for line in table.splitlines() if line.startswith(PROTOCOL_PREFIXES)]


class SocketCounts:
    """The kernel's counts of sockets in use. They include connections, and do not change when one socket
    opens and another closes: a difference is a reason to scan, equal counts do not prove that nothing
    changed.
    """

    def __init__(self, paths: "tuple[str, ...]" = SOCKSTAT_FILES) -> None:
        self._files = []  # type: list[int]
        self._saved = []  # type: list[bytes]
        for path in paths:
            try:
                self._files.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            except OSError:  # the kernel has no IPv6
                continue

    def save(self) -> None:
        """Store the counts; call it before a scan."""
        self._saved = self._read()

    def changed(self) -> bool:
        """Whether the counts differ from those before the last scan."""
        current = self._read()
        return current != self._saved and [parse_counts(each) for each in current] != [
            parse_counts(each) for each in self._saved
        ]

    def _read(self) -> "list[bytes]":
        return [os.pread(table, 4096, 0) for table in self._files]

    def close(self) -> None:
        for table in self._files:
            os.close(table)
        self._files = []
