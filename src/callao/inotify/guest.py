# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's side: touches, as root, what the host has changed, which makes inotify events there.

This file is sent to the guest as text (``python3 -u -c``), so it needs nothing but a Python of 3.6.
It reads batches from stdin, a line of JSON each, and answers ``{"done": id}`` for each::

    {"id": 1, "changes": {"/mnt": [["src/a.c", 33188, MTIME_NS, ATIME_NS], ["gone"]]}}

A name is relative to its mount point; mode and times are the host's, for what the guest knows of
them may be stale and would undo the host's change. An entry without them is a deletion.

Nothing is created, no content and no time is altered. No symlink below a mount point is followed,
and nothing is touched that isn't on a shared file system: a user of the guest who swaps a directory
for a symlink, or a share that isn't mounted, must not lead root to other files.
"""

import sys

assert sys.platform == "linux"

import contextlib
import ctypes
import json
import os
import resource
import stat

SHARES = ("9p", "virtiofs", "fuse.sshfs")
"""File systems that hold shared directories, as /proc/self/mountinfo spells them."""

SECONDS_ONLY = ("fuse.sshfs",)
"""SFTP's protocol 3 has times in seconds: setting one would cut off the host's fraction."""

MAX_PINS = 16384
"""Folders of 9p shares that are held at most; each costs the guest's kernel a few KiB."""

UTIME_OMIT = (1 << 30) - 2
AT_FDCWD = -100
DIRECTORY = os.O_PATH | os.O_DIRECTORY


def file_systems() -> "dict[int, str]":
    """The type of each mounted file system by its ``st_dev``; see proc_pid_mountinfo(5)."""
    types = {}
    with open("/proc/self/mountinfo", "rb") as table:  # noqa: PTH123
        for line in table:
            left, _, right = line.partition(b" - ")
            major, minor = left.split()[2].split(b":")
            types[os.makedev(int(major), int(minor))] = right.split()[0].decode()
    return types


def open_below(root: int, name: bytes) -> int:
    """An O_PATH descriptor of what a name below ``root`` is, symlinks included; the caller closes it."""
    here = os.dup(root)
    parts = [part for part in name.split(b"/") if part]
    if b".." in parts:
        os.close(here)
        raise ValueError(name)
    for number, part in enumerate(parts, 1):
        flags = os.O_PATH if number == len(parts) else DIRECTORY
        try:
            below = os.open(part, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        finally:
            os.close(here)
        here = below
    return here


class Pins:
    """Descriptors of the folders of 9p shares, held so that they stay the same inodes.

    Its client forgets a folder as soon as nobody has it open, and knows it by a new inode when it is
    looked up again: a watch on the old one would hear of nothing.
    """

    def __init__(self) -> None:
        self.held: dict[tuple[int, int], int] = {}
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_PINS + 64, MAX_PINS + 64))

    def tree(self, root: int) -> None:
        """Hold ``root`` and every folder below it."""
        for _path, _folders, _files, folder in os.fwalk(".", dir_fd=root, onerror=None):
            if len(self.held) >= MAX_PINS:
                return
            status = os.fstat(folder)
            key = (status.st_dev, status.st_ino)
            if key not in self.held:
                self.held[key] = os.open(".", DIRECTORY | os.O_CLOEXEC, dir_fd=folder)


def set_mtime(path: str, mtime: int, atime: int) -> None:
    """Set the modification time alone (ns): the one change of attributes that is an IN_MODIFY.

    The access time is passed too, for servers that don't know UTIME_OMIT. os.utime() can't omit.
    """
    times = (ctypes.c_long * 4)(atime // 10**9, UTIME_OMIT, mtime // 10**9, mtime % 10**9)
    ctypes.CDLL(None).utimensat(AT_FDCWD, path.encode(), times, 0)


def touch(descriptor: int, seconds_only: bool, mode: int, mtime: int, atime: int) -> None:
    """Let the watchers of one file or directory know."""
    now = os.fstat(descriptor)
    # Through this link the very inode is meant, whatever becomes of its name meanwhile.
    path = "/proc/self/fd/%d" % descriptor  # noqa: UP031
    regular = stat.S_ISREG(now.st_mode)
    # A time newer than the host's report: the host has written again, and reports again.
    if seconds_only or now.st_mtime_ns > mtime:
        if not stat.S_ISLNK(mode) and stat.S_IFMT(mode) == stat.S_IFMT(now.st_mode):
            os.chmod(path, stat.S_IMODE(mode))  # noqa: PTH101
    else:
        os.utime(path, ns=(atime, mtime))
        if regular:
            set_mtime(path, mtime, atime)
    # While a program is open for writing, execve(2) refuses it (ETXTBSY), on the host as well.
    if regular and not now.st_mode & 0o111:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))


def apply(
    root: int, entry: "list[object]", types: "dict[int, str]", allowed: "tuple[str, ...]", pins: Pins
) -> None:
    """Touch what one entry names; the lookup alone renews what the guest's cache holds of a deletion."""
    name, *attributes = entry
    descriptor = open_below(root, str(name).encode("utf-8", "surrogateescape"))
    try:
        kind = types.get(os.fstat(descriptor).st_dev, "")
        if attributes and (kind in allowed or "*" in allowed):
            mode, mtime, atime = (int(str(number)) for number in attributes)
            if kind == "9p" and stat.S_ISDIR(mode):
                pins.tree(descriptor)
            touch(descriptor, kind in SECONDS_ONLY, mode, mtime, atime)
    finally:
        os.close(descriptor)


def main(allowed: "tuple[str, ...]") -> None:
    """Serve until stdin ends. Whatever cannot be touched (gone, refused) is passed over."""
    pins = Pins()
    known: set[str] = set()
    for line in sys.stdin.buffer:
        batch = json.loads(line.decode())
        types = file_systems()
        for point, entries in batch["changes"].items():
            with contextlib.suppress(OSError, ValueError):
                # The way to the mount point is the configuration's: symlinks in it are fine.
                root = os.open(point.encode("utf-8", "surrogateescape"), DIRECTORY | os.O_CLOEXEC)
                try:
                    if point not in known and types.get(os.fstat(root).st_dev) == "9p":
                        pins.tree(root)
                        known.add(point)
                    for entry in entries:
                        with contextlib.suppress(OSError, ValueError):
                            apply(root, entry, types, allowed, pins)
                finally:
                    os.close(root)
        sys.stdout.write(json.dumps({"done": batch["id"]}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or SHARES)
