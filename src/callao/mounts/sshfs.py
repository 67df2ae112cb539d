# SPDX-License-Identifier: GPL-3.0-or-later
"""``reverse-sshfs``: the host starts an ssh session whose stdin and stdout are the SFTP stream.

No TCP port is opened: an SFTP server on the host and sshfs in the guest talk over one session of
the control master, as Lima does it. See sshfs(1), option ``passive``, and sftp-server(8).
"""

from __future__ import annotations

import asyncio
import shlex
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from callao.child import die_with_parent
from callao.config.schema import Mount
from callao.errors import AgentError
from callao.ssh import Client, end

_PLACES = (
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/libexec/sftp-server",
    "/usr/lib/ssh/sftp-server",
)
"""Where Debian, Fedora, macOS and Arch keep it: it is on nobody's PATH."""

_PATIENCE = 30.0
"""Seconds for sshfs in the guest to show its mount."""

_LOOK = """\
i=0
while [ $i -lt {tries} ]; do
  mountpoint -q {point} && exit 0
  sleep 0.2
  i=$((i + 1))
done
exit 1
"""


@dataclass(frozen=True)
class Share:
    """One mounted directory: both ends of its stream."""

    mount: Mount
    server: asyncio.subprocess.Process
    session: asyncio.subprocess.Process

    async def close(self) -> None:
        """End both; the guest's mount goes with the stream."""
        await end(self.session)
        await end(self.server)


def sftp_server() -> str | None:
    """OpenSSH's SFTP server on this host; None when there is none."""
    found = [path for path in _PLACES if Path(path).exists()]
    return found[0] if found else shutil.which("sftp-server")


def server_argv(program: str, mount: Mount) -> list[str]:
    """A share that is not writable is read-only on the host's side, whatever the guest's root does."""
    return [program, "-e", *([] if mount.writable else ["-R"])]


def guest_script(mount: Mount) -> str:
    """What makes the mount in the guest; its stdin and stdout become the SFTP stream."""
    options = ["passive", "allow_other"]
    options += ["cache=yes" if mount.sshfs.cache else "cache=no"]
    options += ["follow_symlinks"] if mount.sshfs.follow_symlinks else []
    options += [] if mount.writable else ["ro"]
    point, location = shlex.quote(mount.mount_point), shlex.quote(f":{mount.location}")
    return (
        f"sudo -n umount -l {point} 2>/dev/null; sudo -n mkdir -p -- {point} && "
        f"exec sudo -n sshfs {location} {point} -o {','.join(options)}"
    )


async def mount_sshfs(mount: Mount, client: Client) -> Share:
    """Share one directory; returns when the guest shows it.

    :raises AgentError: with the guest's words when it cannot be mounted.
    """
    program = sftp_server()
    if program is None:
        raise AgentError("there is no sftp-server on this host.", hint="Install OpenSSH's SFTP server.")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        server = await asyncio.create_subprocess_exec(
            *server_argv(program, mount),
            stdin=ours.fileno(),
            stdout=ours.fileno(),
            stderr=asyncio.subprocess.DEVNULL,
            cwd="/",
            preexec_fn=die_with_parent(),
        )
        session = await asyncio.create_subprocess_exec(
            *client.argv(command=[guest_script(mount)]),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=die_with_parent(),
        )
    share = Share(mount, server, session)
    try:
        await _shown(share, client)
    except BaseException:
        await share.close()
        raise
    return share


async def _shown(share: Share, client: Client) -> None:
    point = shlex.quote(share.mount.mount_point)
    look = _LOOK.format(tries=int(_PATIENCE * 5), point=point)
    waiting = asyncio.ensure_future(client.run(look, timeout=_PATIENCE + 10))
    ended = asyncio.ensure_future(share.session.wait())
    done, pending = await asyncio.wait({waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    if waiting in done and waiting.result().status == 0:
        return
    words = ""
    if share.session.returncode is not None and share.session.stderr is not None:
        words = (await share.session.stderr.read()).decode(errors="replace").strip()
    raise AgentError(
        f"mounts: {share.mount.location!r} could not be mounted at {share.mount.mount_point!r}: "
        f"{words or f'sshfs showed no mount within {_PATIENCE:.0f} s'}.",
        hint="The guest needs sshfs (fuse3).",
    )
