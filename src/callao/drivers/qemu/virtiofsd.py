# SPDX-License-Identifier: GPL-3.0-or-later
"""virtiofsd, the process on the host that serves one virtiofs share.

There are two: the Rust one, which is maintained and runs as anybody, and the C one that came with QEMU
before 8.0, which needs root. See their ``--help``, and QEMU's docs/tools/virtiofsd.rst (7.2).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path

from callao import system
from callao.drivers.base import DeviceShare
from callao.errors import DriverError
from callao.host import virtiofsds
from callao.system import die_with_parent

ABSENT = (
    "there is no virtiofsd on this host that could serve virtiofs "
    "(Debian 13 and later: package virtiofsd; before, QEMU's own, which needs root)."
)

_PATIENCE = 10.0
"""Seconds for the daemon to open its socket."""

_STAGE = "/sys"
"""Where a mount namespace of its own shows a daemon what it may only read.

Every host has this folder and the daemon has no use for it. Not the folder itself: the daemon's socket may
lie in it, where somebody shares their home.
"""

_READ_ONLY = 'mount --bind "$1" "$2" && mount -o remount,bind,ro "$2" && shift 2 && exec "$@"'
"""Run in that namespace, for a daemon that cannot be told to be read-only."""


@dataclass(frozen=True)
class Program:
    """``rust`` tells the two apart; ``read_only`` is whether it has an option for that."""

    path: str
    rust: bool
    read_only: bool


@functools.cache
def find() -> Program | None:
    """The first that this user can run."""
    for path, usable in virtiofsds():
        if usable:
            said = subprocess.run([path, "--help"], capture_output=True, text=True, check=False)
            text = said.stdout + said.stderr
            return Program(path, "--shared-dir" in text, "--readonly" in text)
    return None


def argv(program: Program, share: DeviceShare, socket: Path) -> list[str]:
    """The command line that serves ``share`` on ``socket``."""
    staged = not (share.writable or program.read_only)
    source = _STAGE if staged else share.location
    if program.rust:
        words = [program.path, f"--socket-path={socket}", f"--shared-dir={source}", "--cache=auto"]
        words += ["--sandbox=chroot"] if system.uid() == 0 else []
    else:
        source = source.replace("\\", "\\\\").replace(",", "\\,")
        words = [program.path, "-f", f"--socket-path={socket}", "-o", f"source={source}"]
        words += ["-o", "cache=auto", "-o", "sandbox=chroot"]
    if not staged:
        return words if share.writable else [*words, "--readonly"]
    space = ["unshare", "--mount"] if system.uid() == 0 else ["unshare", "--mount", "--map-root-user"]
    return [*space, "--", "sh", "-c", _READ_ONLY, "sh", share.location, _STAGE, *words]


async def serve(share: DeviceShare, socket: Path, log: Path) -> asyncio.subprocess.Process:
    """Start the daemon; returns when its socket is there.

    It ends by itself when the hypervisor hangs up, and with us at the latest.

    :raises DriverError: with the daemon's own words.
    """
    program = find()
    if program is None:
        raise DriverError(f"mounts: {share.location}: {ABSENT}")
    for each in (socket, log):
        each.unlink(missing_ok=True)
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *argv(program, share, socket),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            preexec_fn=die_with_parent(),
            start_new_session=True,
        )
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while not socket.exists():
        if process.returncode is not None or asyncio.get_running_loop().time() > deadline:
            await end(process)
            words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
            raise DriverError(f"mounts: {share.location}: virtiofsd does not start: {'; '.join(words)}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(process.wait()), 0.02)
    return process


async def end(process: asyncio.subprocess.Process) -> None:
    """Stop the daemon; returns when it is gone."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
