# SPDX-License-Identifier: GPL-3.0-or-later
"""A share that is not writable is not, whatever the client is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paramiko import SFTPClient
from served import World, client

CHANGES: dict[str, Callable[[SFTPClient, World], object]] = {
    "write": lambda sftp, here: sftp.open(here.at("file"), "w"),
    "append": lambda sftp, here: sftp.open(here.at("file"), "a"),
    "update": lambda sftp, here: sftp.open(here.at("file"), "r+"),
    "create": lambda sftp, here: sftp.open(here.at("new"), "wx"),
    "remove": lambda sftp, here: sftp.remove(here.at("file")),
    "rename": lambda sftp, here: sftp.rename(here.at("file"), here.at("new")),
    "posix-rename": lambda sftp, here: sftp.posix_rename(here.at("file"), here.at("new")),
    "mkdir": lambda sftp, here: sftp.mkdir(here.at("new")),
    "rmdir": lambda sftp, here: sftp.rmdir(here.at("sub", "deep")),
    "symlink": lambda sftp, here: sftp.symlink("file", here.at("new")),
    "chmod": lambda sftp, here: sftp.chmod(here.at("file"), 0o777),
    "chown": lambda sftp, here: sftp.chown(here.at("file"), os.getuid(), os.getgid()),
    "utime": lambda sftp, here: sftp.utime(here.at("file"), (1, 1)),
    "truncate": lambda sftp, here: sftp.truncate(here.at("file"), 0),
    "chmod of a handle": lambda sftp, here: sftp.open(here.at("file")).chmod(0o777),
    "write to a handle": lambda sftp, here: _write(sftp, here.at("file")),
}


def _write(sftp: SFTPClient, path: str) -> None:
    file = sftp.open(path, "r")
    file._flags |= file.FLAG_WRITE  # what an honest client would not do
    file.write("x")


@pytest.fixture
def reader(here: World) -> Iterator[SFTPClient]:
    with client(here) as found:
        yield found


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_refused(here: World, reader: SFTPClient, name: str) -> None:
    before = _seen(here.share)
    with pytest.raises(PermissionError):
        CHANGES[name](reader, here)
    assert _seen(here.share) == before


def test_reading_is_not(here: World, reader: SFTPClient) -> None:
    assert reader.open(here.at("file")).read() == b"ours"
    assert sorted(reader.listdir(here.at())) == ["file", "sub"]
    assert reader.normalize(".") == str(here.share)


def _seen(folder: Path) -> list[tuple[str, int, int, float]]:
    found = [(path, path.lstat()) for path in sorted(folder.rglob("*"))]
    return [(str(path), stat.st_mode, stat.st_size, stat.st_mtime) for path, stat in found]
