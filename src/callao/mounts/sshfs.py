# SPDX-License-Identifier: GPL-3.0-or-later
"""``reverse-sshfs``: the host starts an ssh session whose stdin and stdout are the SFTP stream.

An SFTP server on the host and sshfs in the guest communicate over one ssh session, without a TCP port, as in
Lima. See sshfs(1), option ``passive``, and sftp-server(8). A broken session is replaced by a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import socket
import sys
from dataclasses import dataclass, field

from callao.cancellation import cancel_and_wait
from callao.config.schema import Mount
from callao.errors import AgentError
from callao.mounts.server import server_argv
from callao.ssh import Client, terminate
from callao.ssh.output import last_bytes
from callao.system import die_with_parent

_MOUNT_TIMEOUT = 30.0
"""Seconds for sshfs in the guest to show its mount."""

_RECONNECT_DELAYS = (0.5, 1.0, 2.0, 5.0)
"""Seconds before each attempt to replace a broken session; the last value repeats."""

_SSH_OPTIONS = ("-o", "ControlMaster=no", "-o", "ServerAliveInterval=15")
"""Uses the control master if there is one; a dead connection is noticed within a minute."""

_ALLOW_ALL_SYMLINKS = "no_contain_symlinks"
"""By default, newer sshfs refuses absolute links and links with ``..``, to protect clients from their
servers. The guest trusts its host, and the links are the user's own, so they are allowed."""

_MAX_STDERR = 4096
"""Bytes of the last output on standard error that are kept of each process."""

_STDERR_TIMEOUT = 5.0
"""Seconds to wait for a session's standard error after it has ended."""

_CHECK_MOUNT = """\
i=0
while [ $i -lt {tries} ]; do
  mountpoint -q {point} && exit 0
  sleep 0.2
  i=$((i + 1))
done
exit 1
"""


@dataclass
class Share:
    """One mounted directory: the SFTP server, the ssh session, and the task that replaces a broken
    session."""

    mount: Mount
    client: Client
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)
    reconnecting: asyncio.Task[None] | None = None
    server_stderr: asyncio.Task[bytes] | None = None
    """The server's standard error."""
    session_stderr: asyncio.Task[bytes] | None = None
    """The session's standard error: read continuously, because a full pipe would stop the stream."""
    reconnect: bool = False
    """Whether a broken session is replaced."""

    async def open(self) -> None:
        """Start both processes; returns when the guest has mounted the directory.

        :raises AgentError: with the guest's error message when it cannot be mounted.
        """
        await self._connect()
        self.reconnect_when_broken()

    def reconnect_when_broken(self) -> None:
        """Start the task that replaces a broken session."""
        self.reconnect = True
        self.reconnecting = asyncio.ensure_future(self._reconnect_loop())

    async def stop_reconnecting(self) -> None:
        """Stop the task, because the session is about to be ended on purpose. The mount stays."""
        self.reconnect = False
        if self.reconnecting is not None:
            await cancel_and_wait(self.reconnecting)
            self.reconnecting = None

    async def close(self) -> None:
        """End both processes; the guest's mount ends with the session."""
        await self.stop_reconnecting()
        await self._disconnect()

    async def _reconnect_loop(self) -> None:
        delays = iter(_RECONNECT_DELAYS)
        # Checked each time, because before Python 3.12 asyncio.wait_for() can swallow a cancellation.
        while self.reconnect:
            await self.processes[-1].wait()
            await self._disconnect()
            await asyncio.sleep(next(delays, _RECONNECT_DELAYS[-1]))
            with contextlib.suppress(AgentError, OSError):
                if not self.reconnect:
                    return
                await self._connect()
                delays = iter(_RECONNECT_DELAYS)

    async def _connect(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            server = await asyncio.create_subprocess_exec(
                *server_argv(self.mount),
                stdin=ours.fileno(),
                stdout=ours.fileno(),
                stderr=asyncio.subprocess.PIPE,
                cwd="/",
                preexec_fn=die_with_parent(),
            )
            self.processes = [server]
            assert server.stderr is not None
            self.server_stderr = asyncio.ensure_future(last_bytes(server.stderr, _MAX_STDERR))
            try:
                session = await asyncio.create_subprocess_exec(
                    *self.client.argv(*_SSH_OPTIONS, command=[guest_script(self.mount)]),
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=asyncio.subprocess.PIPE,
                    preexec_fn=die_with_parent(),
                )
            except BaseException:
                await terminate(server)
                raise
        self.processes = [server, session]
        assert session.stderr is not None
        self.session_stderr = asyncio.ensure_future(last_bytes(session.stderr, _MAX_STDERR))
        try:
            await _wait_for_mount(self.mount, session, self.session_stderr, self.client)
        except AgentError as error:
            raise AgentError(error.message, hint=await self._disconnect() or error.hint) from None
        except BaseException:
            await self._disconnect()
            raise

    async def _disconnect(self) -> str:
        """End both processes; returns and logs the server's standard error."""
        for process in reversed(self.processes):
            await terminate(process)
        if self.session_stderr is not None:
            await self.session_stderr
            self.session_stderr = None
        if self.server_stderr is None:
            return ""
        server_stderr = (await self.server_stderr).decode(errors="replace").strip()
        self.server_stderr = None
        if server_stderr:
            sys.stderr.write(f"mounts: {self.mount.location}: the SFTP server said: {server_stderr}\n")
        return server_stderr and f"The SFTP server on the host said: {server_stderr}"


async def mount_sshfs(mount: Mount, client: Client) -> Share:
    """Share one directory; returns when the guest has mounted it.

    :raises AgentError: with the guest's error message when it cannot be mounted.
    """
    share = Share(mount, client)
    await share.open()
    return share


def guest_script(mount: Mount) -> str:
    """The script that mounts the directory in the guest; its stdin and stdout are the SFTP session."""
    options = ["passive", "allow_other"]
    options += ["cache=yes" if mount.sshfs.cache else "cache=no"]
    options += ["follow_symlinks"] if mount.sshfs.follow_symlinks else []
    options += [] if mount.writable else ["ro"]
    point, location = shlex.quote(mount.mount_point), shlex.quote(f":{mount.location}")
    return (
        f"sudo -n umount -l {point} 2>/dev/null; "
        f"links=; sshfs --help </dev/null 2>&1 | grep -q {_ALLOW_ALL_SYMLINKS} "
        f"&& links=,{_ALLOW_ALL_SYMLINKS}; "
        f"sudo -n mkdir -p -- {point} && "
        f'exec sudo -n sshfs {location} {point} -o {",".join(options)}"$links"'
    )


async def _wait_for_mount(
    mount: Mount, session: asyncio.subprocess.Process, session_stderr: asyncio.Task[bytes], client: Client
) -> None:
    look = _CHECK_MOUNT.format(tries=int(_MOUNT_TIMEOUT * 5), point=shlex.quote(mount.mount_point))
    waiting = asyncio.ensure_future(client.run(look, timeout=_MOUNT_TIMEOUT + 10))
    ended = asyncio.ensure_future(session.wait())
    try:
        done, _ = await asyncio.wait({waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        ended.cancel()
    if waiting in done and waiting.exception() is None and waiting.result().status == 0:
        return
    server_stderr = ""
    if session.returncode is not None:
        await asyncio.wait(
            {session_stderr}, timeout=_STDERR_TIMEOUT
        )  # another process may have the pipe open
        server_stderr = (
            session_stderr.result().decode(errors="replace").strip() if session_stderr.done() else ""
        )
    raise AgentError(
        f"mounts: {mount.location!r} could not be mounted at {mount.mount_point!r}: "
        f"{server_stderr or f'sshfs showed no mount within {_MOUNT_TIMEOUT:.0f} s'}.",
        hint="The guest needs sshfs (fuse3).",
    )
