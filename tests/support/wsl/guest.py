# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts and ends distributions, and runs programs in them."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

from support.wsl import init, namespaces, store, texts
from support.wsl.store import Entry

IDLE = "CALLAO_STAND_IN_WSL_IDLE"
"""Seconds after which a distribution stops that no program of Windows uses; by default 15."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def unpack(entry: Entry, archive: int) -> bool:
    """Make the root of a tar; False when it is none of a root file system."""
    entry.root.mkdir(parents=True)
    done = subprocess.run(
        [*_unshared(), "tar", "--numeric-owner", "--exclude=./dev/*", "-xpf", "-", "-C", str(entry.root)],
        stdin=archive,
        capture_output=True,
        check=False,
    )
    shell = entry.root / "bin" / "sh"
    return done.returncode == 0 and (shell.is_symlink() or shell.exists()) and (entry.root / "etc").is_dir()


def pack(entry: Entry, archive: int) -> None:
    words = ["--numeric-owner", "--one-file-system", "-cf", "-", "-C", str(entry.root), "."]
    subprocess.run([*_unshared(), "tar", *words], stdout=archive, stderr=subprocess.DEVNULL, check=True)


def start(entry: Entry) -> Entry:
    """The distribution, running; the caller has the store's lock."""
    if entry.runs():
        return entry
    idle = os.environ.get(IDLE, "15")
    if os.geteuid() == 0:
        return _noted(entry, _forked(entry, float(idle)))
    words = ["--mount", "--pid", "--uts", "--fork", "--kill-child", "--propagation", "private"]
    places = (str(entry.root), str(store.drive()), str(entry.sessions))
    first = subprocess.Popen(
        ["unshare", *namespaces.as_root(), *words, sys.executable, "-P", "-S", "-m", "support.wsl.init",
         *places, idle, str(entry.size)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=(entry.home / "init.log").open("wb"),
        start_new_session=True,
        cwd="/",
    )  # fmt: skip
    assert first.stdout is not None
    return _noted(entry, first.stdout.readline())


def _forked(entry: Entry, idle: float) -> bytes:
    """Fork the first process, which starts no Python; returns what it says when it is up."""
    told, tell = os.pipe()
    if os.fork() == 0:
        try:
            os.setsid()
            log = os.open(entry.home / "init.log", os.O_WRONLY | os.O_CREAT, 0o600)
            for target, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, tell), (2, log)):
                os.dup2(source, target)
            os.closerange(3, 256)
            namespaces.unshare()
            if os.fork() == 0:
                init.main(str(entry.root), str(store.drive()), str(entry.sessions), idle, entry.size)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(tell)
    with os.fdopen(told, "rb") as file:
        return file.readline()


def _noted(entry: Entry, said: bytes) -> Entry:
    told = said.strip()
    if not told:
        raise texts.error("E_ACCESSDENIED", "Service/CreateInstance")
    started = replace(entry, pid=int(told), started=store.start_time(int(told)))
    store.put(started)
    return started


def end(entry: Entry) -> None:
    """The caller has the store's lock."""
    if entry.runs():
        os.kill(entry.pid, signal.SIGKILL)  # the kernel kills all others in its pid namespace
        while entry.runs():
            time.sleep(0.005)
    store.put(store.stopped(entry))


def run(entry: Entry, user: str, folder: str, argv: list[str], session: int) -> int:
    """Run a program to its end, on this process's standard input and outputs.

    :param session: a descriptor with a lock on ``entry.sessions``.
    """
    fcntl.flock(session, fcntl.LOCK_SH)
    namespaces.enter(entry.pid)
    child = os.fork()
    if child == 0:
        _become(user, folder, argv)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) & 255


def _become(user: str, folder: str, argv: list[str]) -> None:
    try:
        namespaces.die_with_parent()
        os.umask(0o22)
        name, uid, gid, home, shell = _account(user)
        os.chdir(home if folder == "~" else folder)
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        environment = {"PATH": _PATH, "HOME": home, "USER": name, "SHELL": shell, "WSL_DISTRO_NAME": "-"}
        environment.update(_passed())
        os.execvpe(argv[0], argv, environment)
    except OSError as error:
        os.write(
            2, f"<3>WSL ERROR: CreateProcessCommon: execvpe({argv[0]}) failed: {error.strerror}\n".encode()
        )
    finally:
        os._exit(127)


def _passed() -> dict[str, str]:
    """The variables of Windows that WSLENV names; this one is a path, and has to be translated."""
    words = [each.partition("/") for each in os.environ.get("WSLENV", "").split(":")]
    has = any(name == "USERPROFILE" and "p" in flags and "w" not in flags for name, _, flags in words)
    return {"USERPROFILE": f"/mnt/c/{store.PROFILE}"} if has else {}


def _account(user: str) -> tuple[str, int, int, str, str]:
    for line in Path("/etc/passwd").read_text(encoding="utf-8").splitlines():
        name, _, uid, gid, _, home, shell = line.split(":")
        if user in (name, uid):
            return name, int(uid), int(gid), home, shell
    raise OSError(2, f"no user {user}")


def _unshared() -> list[str]:
    return ["unshare", *namespaces.as_root()] if os.geteuid() != 0 else []
