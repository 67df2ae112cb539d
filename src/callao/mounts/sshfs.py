# SPDX-License-Identifier: GPL-3.0-or-later
"""``reverse-sshfs``: the host starts an ssh session whose stdin and stdout are the SFTP stream.

No TCP port is opened: an SFTP server on the host and sshfs in the guest talk over one session, as Lima
does it. See sshfs(1), option ``passive``, and sftp-server(8). A stream that breaks is opened anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import socket
import sys
from dataclasses import dataclass, field

from callao.config.schema import Mount
from callao.errors import AgentError
from callao.mounts.server import server_argv
from callao.ssh import Client, end
from callao.ssh.output import last_bytes
from callao.system import die_with_parent

_MOUNT_TIMEOUT = 30.0
"""Seconds for sshfs in the guest to show its mount."""

_RECONNECT_DELAYS = (0.5, 1.0, 2.0, 5.0)
"""Seconds before each try to open a broken stream again; the last one goes on."""

_SSH_OPTIONS = ("-o", "ControlMaster=no", "-o", "ServerAliveInterval=15")
"""Over the control master while there is one, without it otherwise; a dead peer is noticed in a minute."""

_ALLOW_ALL_SYMLINKS = "no_contain_symlinks"
"""An sshfs that knows it refuses links with ``..`` and absolute ones by itself, so that no server makes its
client read elsewhere. The guest has no reason to distrust its host, and these links are the user's."""

_MAX_STDERR = 4096
"""Bytes of the last words of either end that are kept."""

_STDERR_TIMEOUT = 5.0
"""Seconds for what a session said to arrive, once it has ended."""

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
    """One mounted directory: both ends of its stream, and who watches over it."""

    mount: Mount
    client: Client
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)
    reconnecting: asyncio.Task[None] | None = None
    server_stderr: asyncio.Task[bytes] | None = None
    """The server's standard error."""
    session_stderr: asyncio.Task[bytes] | None = None
    """The session's standard error: read continuously, because a full pipe would stop the stream."""
    reconnect: bool = False
    """Whether the keeper shall go on."""

    async def open(self) -> None:
        """Returns when the guest shows the mount.

        :raises AgentError: with the guest's words when it cannot be mounted.
        """
        await self._connect()
        self.reconnect_when_broken()

    def reconnect_when_broken(self) -> None:
        """Open the stream again whenever it breaks."""
        self.reconnect = True
        self.reconnecting = asyncio.ensure_future(self._reconnect_loop())

    async def stop_reconnecting(self) -> None:
        """No longer: what ends it from here on is meant. The mount stays as it is."""
        self.reconnect = False
        if self.reconnecting is not None:
            self.reconnecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.reconnecting
            self.reconnecting = None

    async def close(self) -> None:
        """End both; the guest's mount goes with the stream."""
        await self.stop_reconnecting()
        await self._disconnect()

    async def _reconnect_loop(self) -> None:
        delays = iter(_RECONNECT_DELAYS)
        # Asked for each time: before Python 3.12, asyncio.wait_for() can swallow a cancellation.
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
                await end(server)
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
        """End both; returns what the server said, which is noted on standard error."""
        for process in reversed(self.processes):
            await end(process)
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
    """Share one directory; returns when the guest shows it.

    :raises AgentError: with the guest's words when it cannot be mounted.
    """
    share = Share(mount, client)
    await share.open()
    return share


def guest_script(mount: Mount) -> str:
    """The script that mounts in the guest; its stdin and stdout become the SFTP stream."""
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
        await asyncio.wait({session_stderr}, timeout=_STDERR_TIMEOUT)  # another program may hold its end
        server_stderr = (
            session_stderr.result().decode(errors="replace").strip() if session_stderr.done() else ""
        )
    raise AgentError(
        f"mounts: {mount.location!r} could not be mounted at {mount.mount_point!r}: "
        f"{server_stderr or f'sshfs showed no mount within {_MOUNT_TIMEOUT:.0f} s'}.",
        hint="The guest needs sshfs (fuse3).",
    )
