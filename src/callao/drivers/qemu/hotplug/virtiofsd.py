# SPDX-License-Identifier: GPL-3.0-or-later
"""virtiofsd, the process on the host that serves one virtiofs share.

There are two: the Rust one, which is maintained and runs as any user, and the C one that came with QEMU
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

MISSING = (
    "there is no virtiofsd on this host that could serve virtiofs "
    "(Debian 13 and later: package virtiofsd; before, QEMU's own, which needs root)."
)

_START_TIMEOUT = 10.0
"""Seconds for the daemon to open its socket."""

_READ_ONLY_MOUNT_POINT = "/sys"
"""Where a read-only share is bind-mounted, in a mount namespace of the daemon's own.

Every host has this folder, and the daemon does not use it. The shared folder itself is not mounted over: the
daemon's socket may be in it, when somebody shares their home.
"""

_READ_ONLY_SCRIPT = 'mount --bind "$1" "$2" && mount -o remount,bind,ro "$2" && shift 2 && exec "$@"'
"""Runs in that namespace, for a daemon without an option for read-only shares."""


@dataclass(frozen=True)
class Virtiofsd:
    """``is_rust`` distinguishes the two programs; ``has_readonly_option``: whether it has ``--readonly``."""

    path: str
    is_rust: bool
    has_readonly_option: bool


@functools.cache
def find() -> Virtiofsd | None:
    """The first program that this user can run."""
    for path, usable in virtiofsds():
        if usable:
            result = subprocess.run([path, "--help"], capture_output=True, text=True, check=False)
            text = result.stdout + result.stderr
            return Virtiofsd(path, "--shared-dir" in text, "--readonly" in text)
    return None


def argv(program: Virtiofsd, share: DeviceShare, socket: Path) -> list[str]:
    """The command line that serves ``share`` on ``socket``."""
    mounts_read_only = not (share.writable or program.has_readonly_option)
    source = _READ_ONLY_MOUNT_POINT if mounts_read_only else share.location
    if program.is_rust:
        arguments = [program.path, f"--socket-path={socket}", f"--shared-dir={source}", "--cache=auto"]
        arguments += ["--sandbox=chroot"] if system.uid() == 0 else []
    else:
        source = source.replace("\\", "\\\\").replace(",", "\\,")
        arguments = [program.path, "-f", f"--socket-path={socket}", "-o", f"source={source}"]
        arguments += ["-o", "cache=auto", "-o", "sandbox=chroot"]
    if not mounts_read_only:
        return arguments if share.writable else [*arguments, "--readonly"]
    new_namespace = (
        ["unshare", "--mount"] if system.uid() == 0 else ["unshare", "--mount", "--map-root-user"]
    )
    return [
        *new_namespace,
        "--",
        "sh",
        "-c",
        _READ_ONLY_SCRIPT,
        "sh",
        share.location,
        _READ_ONLY_MOUNT_POINT,
        *arguments,
    ]


async def start(share: DeviceShare, socket: Path, log: Path) -> asyncio.subprocess.Process:
    """Start the daemon; returns when its socket exists.

    It ends by itself when the hypervisor closes the connection, and with this process at the latest.

    :raises DriverError: with the daemon's own message.
    """
    program = find()
    if program is None:
        raise DriverError(f"mounts: {share.location}: {MISSING}")
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
    deadline = asyncio.get_running_loop().time() + _START_TIMEOUT
    while not socket.exists():
        if process.returncode is not None or asyncio.get_running_loop().time() > deadline:
            await stop(process)
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
            raise DriverError(f"mounts: {share.location}: virtiofsd does not start: {'; '.join(lines)}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(process.wait()), 0.02)
    return process


async def stop(process: asyncio.subprocess.Process) -> None:
    """Stop the daemon; returns when it has ended."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
