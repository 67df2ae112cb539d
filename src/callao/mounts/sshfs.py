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

_PATIENCE = 30.0
"""Seconds for sshfs in the guest to show its mount."""

_PAUSE = (0.5, 1.0, 2.0, 5.0)
"""Seconds before each try to open a broken stream again; the last one goes on."""

_SESSION = ("-o", "ControlMaster=no", "-o", "ServerAliveInterval=15")
"""Over the control master while there is one, without it otherwise; a dead peer is noticed in a minute."""

_ANY_LINK = "no_contain_symlinks"
"""An sshfs that knows it refuses links with ``..`` and absolute ones by itself, so that no server makes its
client read elsewhere. The guest has no reason to distrust its host, and these links are the user's."""

_WORDS = 4096
"""Bytes of the last words of either end that are kept."""

_LAST_WORDS = 5.0
"""Seconds for what a session said to arrive, once it has ended."""

_LOOK = """\
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
    ends: list[asyncio.subprocess.Process] = field(default_factory=list)
    keeper: asyncio.Task[None] | None = None
    words: asyncio.Task[bytes] | None = None
    """The server's standard error."""
    said: asyncio.Task[bytes] | None = None
    """The session's standard error: read continuously, because a full pipe would stop the stream."""
    wanted: bool = False
    """Whether the keeper shall go on."""

    async def open(self) -> None:
        """Returns when the guest shows the mount.

        :raises AgentError: with the guest's words when it cannot be mounted.
        """
        await self._connect()
        self.watch()

    def watch(self) -> None:
        """Open the stream again whenever it breaks."""
        self.wanted = True
        self.keeper = asyncio.ensure_future(self._keep())

    async def let_go(self) -> None:
        """No longer: what ends it from here on is meant. The mount stays as it is."""
        self.wanted = False
        if self.keeper is not None:
            self.keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.keeper
            self.keeper = None

    async def close(self) -> None:
        """End both; the guest's mount goes with the stream."""
        await self.let_go()
        await self._disconnect()

    async def _keep(self) -> None:
        pauses = iter(_PAUSE)
        # Asked for each time: before Python 3.12, asyncio.wait_for() can swallow a cancellation.
        while self.wanted:
            await self.ends[-1].wait()
            await self._disconnect()
            await asyncio.sleep(next(pauses, _PAUSE[-1]))
            with contextlib.suppress(AgentError, OSError):
                if not self.wanted:
                    return
                await self._connect()
                pauses = iter(_PAUSE)

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
            self.ends = [server]
            assert server.stderr is not None
            self.words = asyncio.ensure_future(last_bytes(server.stderr, _WORDS))
            try:
                session = await asyncio.create_subprocess_exec(
                    *self.client.argv(*_SESSION, command=[guest_script(self.mount)]),
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=asyncio.subprocess.PIPE,
                    preexec_fn=die_with_parent(),
                )
            except BaseException:
                await end(server)
                raise
        self.ends = [server, session]
        assert session.stderr is not None
        self.said = asyncio.ensure_future(last_bytes(session.stderr, _WORDS))
        try:
            await _shown(self.mount, session, self.said, self.client)
        except AgentError as error:
            raise AgentError(error.message, hint=await self._disconnect() or error.hint) from None
        except BaseException:
            await self._disconnect()
            raise

    async def _disconnect(self) -> str:
        """End both; returns what the server said, which is noted on standard error."""
        for process in reversed(self.ends):
            await end(process)
        if self.said is not None:
            await self.said
            self.said = None
        if self.words is None:
            return ""
        words = (await self.words).decode(errors="replace").strip()
        self.words = None
        if words:
            sys.stderr.write(f"mounts: {self.mount.location}: the SFTP server said: {words}\n")
        return words and f"The SFTP server on the host said: {words}"


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
        f"links=; sshfs --help </dev/null 2>&1 | grep -q {_ANY_LINK} && links=,{_ANY_LINK}; "
        f"sudo -n mkdir -p -- {point} && "
        f'exec sudo -n sshfs {location} {point} -o {",".join(options)}"$links"'
    )


async def _shown(
    mount: Mount, session: asyncio.subprocess.Process, said: asyncio.Task[bytes], client: Client
) -> None:
    look = _LOOK.format(tries=int(_PATIENCE * 5), point=shlex.quote(mount.mount_point))
    waiting = asyncio.ensure_future(client.run(look, timeout=_PATIENCE + 10))
    ended = asyncio.ensure_future(session.wait())
    try:
        done, _ = await asyncio.wait({waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        ended.cancel()
    if waiting in done and waiting.exception() is None and waiting.result().status == 0:
        return
    words = ""
    if session.returncode is not None:
        await asyncio.wait({said}, timeout=_LAST_WORDS)  # another program may hold its end
        words = said.result().decode(errors="replace").strip() if said.done() else ""
    raise AgentError(
        f"mounts: {mount.location!r} could not be mounted at {mount.mount_point!r}: "
        f"{words or f'sshfs showed no mount within {_PATIENCE:.0f} s'}.",
        hint="The guest needs sshfs (fuse3).",
    )
