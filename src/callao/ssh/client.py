# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in the guest, over one control master that lives and dies with its owner."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from callao.errors import AgentError
from callao.reach import Reach
from callao.ssh.output import last_bytes, lines
from callao.ssh.target import Target
from callao.system import die_with_parent

_BANNER_LIMIT = 1 << 10
"""Bytes of a first line; RFC 4253 allows an sshd 255."""

_CONTROL = 30.0
"""Seconds for the control master to do what it is told."""


@dataclass(frozen=True)
class Answer:
    """The result of a command in the guest; ssh itself failed when ``status`` is 255.

    Of each output, the last :data:`callao.ssh.output.OUTPUT_LIMIT` bytes.
    """

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Client:
    """ssh to one instance. ``config`` is its ssh.config, ``alias`` its host in there."""

    config: Path
    alias: str
    socket: Path

    def argv(self, *options: str, command: Sequence[str] = ()) -> list[str]:
        return Target(self.config, self.alias).argv(*options, command=command)

    async def open_master(self, timeout: float, options: Sequence[str] = ()) -> asyncio.subprocess.Process:
        """Log in once and keep the connection for all that follows.

        :param timeout: seconds for the login.
        :param options: more of ssh's, for this login.
        :returns: the master's process; the caller ends it.
        :raises AgentError: with ssh's own words when the guest doesn't let us in.
        """
        self.socket.unlink(missing_ok=True)
        master = await asyncio.create_subprocess_exec(
            *self.argv(
                "-M",
                "-N",
                "-o",
                "ControlPersist=no",
                "-o",
                f"ConnectTimeout={max(1, int(timeout))}",
                *options,
            ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=die_with_parent(),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(timeout):
                while not self.socket.exists():
                    if master.returncode is not None:
                        assert master.stderr is not None
                        words = (await master.stderr.read()).decode(errors="replace").strip()
                        raise AgentError(f"ssh: {words or f'ended with status {master.returncode}'}")
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(asyncio.shield(master.wait()), 0.02)
        except BaseException as error:
            await end(master)
            if isinstance(error, TimeoutError):
                raise AgentError(f"ssh: no login within {timeout:.0f} s") from None
            raise
        return master

    async def run(self, script: str, timeout: float, interpreter: str = "/bin/sh") -> Answer:
        """Run a script in the guest; it travels by stdin, so nothing needs quoting.

        :param interpreter: the script's ``#!`` line without those two characters.
        :raises TimeoutError: after ``timeout`` seconds; the command's connection is then closed.
        """
        process = await asyncio.create_subprocess_exec(
            *self.argv(command=[interpreter]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=die_with_parent(),
        )
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with asyncio.timeout(timeout):
                _, stdout, stderr, _ = await asyncio.gather(
                    _said(process, script),
                    last_bytes(process.stdout),
                    last_bytes(process.stderr),
                    process.wait(),
                )
        finally:
            await end(process)
        status = process.returncode if process.returncode is not None else 255
        return Answer(status, stdout.decode(errors="replace"), stderr.decode(errors="replace"))

    async def control(self, verb: str, *options: str) -> None:
        """Tell the control master something: ``forward`` or ``cancel``, see ssh(1), ``-O``.

        :raises AgentError: with ssh's own words; or when none came in time, as where a guest that is to
            listen does not say whether it does.
        """
        process = await asyncio.create_subprocess_exec(
            *self.argv("-O", verb, *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=die_with_parent(),
        )
        try:
            async with asyncio.timeout(_CONTROL):
                _, words = await process.communicate()
        except TimeoutError:
            raise AgentError(f"ssh -O {verb}: no answer within {_CONTROL:.0f} s") from None
        finally:
            await end(process)
        if process.returncode != 0:
            raise AgentError(f"ssh -O {verb}: {words.decode(errors='replace').strip()}")

    async def stream(self, script: str, line: Callable[[str], None]) -> int:
        """Run a script and hand over its output a line at a time, cut off at
        :data:`callao.ssh.output.LINE_LIMIT`; returns its status."""
        process = await asyncio.create_subprocess_exec(
            *self.argv(command=["/bin/sh"]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=die_with_parent(),
        )
        assert process.stdout is not None
        try:
            await _said(process, script)
            async for text in lines(process.stdout):
                line(text)
            return await process.wait()
        finally:
            await end(process)


async def _said(process: asyncio.subprocess.Process, script: str) -> None:
    """Send the script; a command that does not read to the end of it has ended."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(script.encode())
        await process.stdin.drain()
    process.stdin.close()


async def end(process: asyncio.subprocess.Process) -> None:
    """End a child and reap it, and close what is left of its pipes."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 3.0)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    # Its pipes outlive it where their end was not read, or where another program holds them. asyncio has no
    # public way to close them, and complains of them once the loop is gone.
    process._transport.close()  # type: ignore[attr-defined]


async def banner(reach: Reach, timeout: float) -> str:
    """sshd's banner, as in ``SSH-2.0-OpenSSH_9.2``; empty where nothing answers.

    User-mode networking accepts connections for a guest that is still booting, so only a line of
    the protocol (RFC 4253, section 4.2) proves that sshd is there.

    :param timeout: seconds to wait for it.
    """
    try:
        async with asyncio.timeout(timeout), _opened(reach) as reader:
            return (await reader.readline()).decode(errors="replace").strip()
    except (OSError, TimeoutError, ValueError):  # the last: a longer line than sshd's
        return ""


@contextlib.asynccontextmanager
async def _opened(reach: Reach) -> AsyncIterator[asyncio.StreamReader]:
    """What sshd sends first, as an ssh client would get it."""
    if not reach.proxy_command:
        reader, writer = await asyncio.open_connection(reach.address, reach.port, limit=_BANNER_LIMIT)
        try:
            yield reader
        finally:
            writer.close()
        return
    process = await asyncio.create_subprocess_exec(
        *reach.proxy_command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        preexec_fn=die_with_parent(),
        limit=_BANNER_LIMIT,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        await end(process)
