# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that only root can change what runs as root: a path, and every folder on the way to it."""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from callao.config.network import VmnetPaths
from callao.errors import Problem, unsupported

_CHARACTERS = re.compile(r"[A-Za-z0-9/._+@-]+", re.ASCII)
_PLAIN = "letters, digits, and . _ + @ - between slashes"
"""In sudoers(5) nothing is quoted, and every other character means something there, or might."""


@dataclass(frozen=True)
class Owners:
    """The ids of this host's users and groups that count."""

    root_uid: int
    root_gid: int
    daemon_gid: int

    @classmethod
    def of_host(cls) -> Owners:
        if sys.platform == "win32":
            raise unsupported("sudo")
        import pwd

        root, daemon = pwd.getpwnam("root"), pwd.getpwnam("daemon")
        return cls(root.pw_uid, root.pw_gid, daemon.pw_gid)


def path_problems(paths: VmnetPaths, owners: Owners) -> list[Problem]:
    """What keeps the paths of networks.yaml from being safe to run as root; the program's absence last."""
    problems: list[Problem] = []
    program, place = paths.socket_vmnet, "paths.socketVMNet"
    if program:
        problems += _problems(place, program, owners, _existing(program))
    problems += _problems("paths.varRun", paths.var_run, owners, _existing(paths.var_run), of_daemon=True)
    if paths.sudoers:
        problems += sudoers_problems("paths.sudoers", paths.sudoers, owners)
    if not program or str(_existing(program)) != program:
        name = "vmnet-helper" if paths.is_vmnet_helper else "socket_vmnet"
        problems.append(Problem(place, program, "has to be installed", f"{name}'s program"))
    return problems


def sudoers_problems(place: str, path: str, owners: Owners) -> list[Problem]:
    """What keeps a file from being a sudoers file that sudo reads and only root changes.

    :param place: what names the file, for messages.
    """
    problems = list(_problems(place, path, owners, _existing(path)))
    name = PurePosixPath(path).name
    if "." in name or name.endswith("~"):
        message = "is a name that sudo leaves out of sudoers.d"
        problems.append(Problem(place, path, message, "a name without '.' and '~'"))
    return problems


def _existing(path: str) -> Path:
    """The path, or its nearest parent that is there."""
    found = Path(path)
    while found != found.parent:
        try:
            found.lstat()
        except (FileNotFoundError, NotADirectoryError):
            found = found.parent
        except OSError:
            break  # told when it is looked at
        else:
            break
    return found


def _problems(
    place: str, path: str, owners: Owners, existing: Path, *, of_daemon: bool = False
) -> Iterator[Problem]:
    if not path.startswith("/"):
        yield Problem(place, path, "is not absolute", "an absolute path")
        return
    if not _CHARACTERS.fullmatch(path):
        yield Problem(place, path, "has a character that sudoers(5) reads in its own way", _PLAIN)
        return
    if str(PurePosixPath(path)) != path or path.startswith("//") or ".." in PurePosixPath(path).parts:
        yield Problem(place, path, "is not in its shortest form", "a path without '..', '//' and a last '/'")
        return
    for each in (existing, *existing.parents):
        for message in _faults(each, owners, of_daemon):
            yield Problem(place, path, f"{each} {message}", "a path that only root can change")


def _faults(path: Path, owners: Owners, of_daemon: bool) -> Iterator[str]:
    try:
        found = path.lstat()
    except OSError as error:
        yield f"cannot be looked at ({error.strerror})"
        return
    mode = found.st_mode
    if stat.S_ISLNK(mode):
        yield "is a symbolic link"
        return
    if found.st_uid != owners.root_uid:
        yield f"is owned by uid {found.st_uid}, not by root"
    trusted = {owners.root_gid, owners.daemon_gid} if of_daemon else {owners.root_gid}
    if mode & stat.S_IWGRP and found.st_gid not in trusted:
        yield f"is writable for its group, gid {found.st_gid}"
    if mode & stat.S_IWOTH:
        yield "is writable for everybody"
    if of_daemon and stat.S_ISDIR(mode) and not _enterable(found.st_gid, mode, owners):
        yield "cannot be entered by the group daemon"


def _enterable(gid: int, mode: int, owners: Owners) -> bool:
    return bool(mode & stat.S_IXOTH) or (bool(mode & stat.S_IXGRP) and gid == owners.daemon_gid)
