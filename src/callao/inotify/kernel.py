# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux's inotify(7), as far as a watched tree needs it."""

from __future__ import annotations

import ctypes
import enum
import errno
import os
import struct
from dataclasses import dataclass

from callao.errors import AgentError

_HEAD = struct.Struct("iIII")
_CHUNK = 1 << 16

_IN_NONBLOCK, _IN_CLOEXEC = 0o4000, 0o2000000
"""Of linux/inotify.h."""


class Flag(enum.IntFlag):
    """The bits of <sys/inotify.h> that are used here."""

    MODIFY = 0x2
    ATTRIB = 0x4
    CLOSE_WRITE = 0x8
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    Q_OVERFLOW = 0x4000
    IGNORED = 0x8000
    ONLYDIR = 0x01000000
    DONT_FOLLOW = 0x02000000
    EXCL_UNLINK = 0x04000000
    ISDIR = 0x40000000


# CLOSE_WRITE, because what is written by mmap(2), as linkers do, is no MODIFY.
_WATCHED_EVENTS = (
    Flag.MODIFY
    | Flag.ATTRIB
    | Flag.CLOSE_WRITE
    | Flag.MOVED_FROM
    | Flag.MOVED_TO
    | Flag.CREATE
    | Flag.DELETE
)


@dataclass(frozen=True)
class Event:
    """``name`` is empty for the watched folder itself. ``flags`` is a plain int: bursts are long."""

    watch: int
    flags: int
    name: str


class Inotify:
    """One queue of events."""

    def __init__(self) -> None:
        """:raises AgentError: when this host has no inotify, or no more instances of it."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "inotify_init1"):
            raise AgentError("mountInotify: this host has no inotify.", hint="It is Linux's.")
        self._descriptor = int(self._libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC))
        if self._descriptor < 0:
            reason = os.strerror(ctypes.get_errno())
            raise AgentError(
                f"mountInotify: no inotify instance: {reason}.",
                hint="Raise the sysctl fs.inotify.max_user_instances.",
            )

    def fileno(self) -> int:
        return self._descriptor

    def watch(self, folder: str, *, follow: bool) -> int:
        """Watch one folder, not what is below.

        :param follow: whether the folder may be a symlink.
        :raises OSError: ENOSPC when the user has no more watches.
        """
        flags = _WATCHED_EVENTS | Flag.ONLYDIR | Flag.EXCL_UNLINK | (0 if follow else Flag.DONT_FOLLOW)
        number = int(self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), int(flags)))
        if number < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), folder)
        return number

    def unwatch(self, number: int) -> None:
        """No error when the kernel has dropped it already."""
        self._libc.inotify_rm_watch(self._descriptor, number)

    def read(self) -> list[Event]:
        """The queued events, about a thousand at most; none when the queue is empty."""
        try:
            raw = os.read(self._descriptor, _CHUNK)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EINTR):
                return []
            raise
        events, place = [], 0
        while place < len(raw):
            watch, flags, _, length = _HEAD.unpack_from(raw, place)
            place += _HEAD.size
            name = os.fsdecode(raw[place : place + length].rstrip(b"\0"))
            place += length
            events.append(Event(watch, flags, name))
        return events

    def close(self) -> None:
        os.close(self._descriptor)
