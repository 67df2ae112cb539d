# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs commands in the guest over one ssh control master, which ends with the process that opened it."""

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
"""Largest first line in bytes; RFC 4253 allows an sshd 255."""

_CHUNK = 1 << 16

_TERMINATION_TIMEOUT = 3.0
"""Seconds for a program to end after SIGTERM."""

_EXIT_CHECK_INTERVAL = 0.1

_CONTROL_TIMEOUT = 30.0
"""Seconds for the control master to carry out a request."""


@dataclass(frozen=True)
class CommandResult:
    """The result of a command in the guest. ``status`` is 255 when ssh itself failed.

    The outputs are cut to the last :data:`callao.ssh.output.OUTPUT_LIMIT` bytes of each.
    """

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Client:
    """ssh to one instance. ``config`` is its ssh.config, ``alias`` its Host in that file."""

    config: Path
    alias: str
    socket: Path

    def argv(self, *options: str, command: Sequence[str] = ()) -> list[str]:
        return Target(self.config, self.alias).argv(*options, command=command)

    async def open_master(self, timeout: float, options: Sequence[str] = ()) -> asyncio.subprocess.Process:
        """Log in, and keep the connection as control master for later commands.

        :param timeout: seconds for the login.
        :param options: further options of ssh for this login.
        :returns: the master's process; the caller ends it.
        :raises AgentError: with ssh's own message when the login fails.
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
                        message = (await master.stderr.read()).decode(errors="replace").strip()
                        raise AgentError(f"ssh: {message or f'ended with status {master.returncode}'}")
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(asyncio.shield(master.wait()), 0.02)
        except BaseException as error:
            await terminate(master)
            if isinstance(error, TimeoutError):
                raise AgentError(f"ssh: no login within {timeout:.0f} s") from None
            raise
        return master

    async def run(self, script: str, timeout: float, interpreter: str = "/bin/sh") -> CommandResult:
        """Run a script in the guest. It is sent by stdin, so that nothing needs quoting.

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
                    _write_script(process, script),
                    last_bytes(process.stdout),
                    last_bytes(process.stderr),
                    process.wait(),
                )
        finally:
            await terminate(process)
        status = process.returncode if process.returncode is not None else 255
        return CommandResult(status, stdout.decode(errors="replace"), stderr.decode(errors="replace"))

    async def receive(self, script: str, on_data: Callable[[bytes], None], timeout: float) -> CommandResult:
        """Run a script, and call ``on_data`` for each part of its output as it comes; ``stdout`` of the
        result is empty.

        :raises TimeoutError: after ``timeout`` seconds; the command's connection is then closed, as it is
            when ``on_data`` raises.
        """
        process = await asyncio.create_subprocess_exec(
            *self.argv(command=["/bin/sh"]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=die_with_parent(),
        )
        assert process.stdout is not None
        assert process.stderr is not None
        errors = asyncio.ensure_future(last_bytes(process.stderr))
        try:
            async with asyncio.timeout(timeout):
                await _write_script(process, script)
                while data := await process.stdout.read(_CHUNK):
                    on_data(data)
                status = await process.wait()
                message = (await errors).decode(errors="replace")
        finally:
            errors.cancel()
            await terminate(process)
        return CommandResult(status, "", message)

    async def control(self, verb: str, *options: str) -> None:
        """Send the control master a request, ``forward`` or ``cancel``, see ssh(1), ``-O``.

        :raises AgentError: with ssh's own message; or when there is no answer in time, for example because
        the guest's sshd does not confirm a forward.
        """
        process = await asyncio.create_subprocess_exec(
            *self.argv("-O", verb, *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=die_with_parent(),
        )
        try:
            async with asyncio.timeout(_CONTROL_TIMEOUT):
                _, message = await process.communicate()
        except TimeoutError:
            raise AgentError(f"ssh -O {verb}: no answer within {_CONTROL_TIMEOUT:.0f} s") from None
        finally:
            await terminate(process)
        if process.returncode != 0:
            raise AgentError(f"ssh -O {verb}: {message.decode(errors='replace').strip()}")

    async def stream(self, script: str, on_line: Callable[[str], bool | None]) -> int:
        """Run a script, and call ``on_line`` for each line of its output, cut to
        :data:`callao.ssh.output.LINE_LIMIT`, until it returns True, which says that nothing more is wanted.

        :returns: the script's status; 0 where nothing more was wanted: the script is left to its end then.
        """
        process = await asyncio.create_subprocess_exec(
            *self.argv(command=["/bin/sh"]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=die_with_parent(),
        )
        assert process.stdout is not None
        try:
            await _write_script(process, script)
            async for text in lines(process.stdout):
                if on_line(text):
                    return 0
            return await process.wait()
        finally:
            await terminate(process)


async def _write_script(process: asyncio.subprocess.Process, script: str) -> None:
    """Send the script; a broken pipe is ignored, because the command has ended then."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(script.encode())
        await process.stdin.drain()
    process.stdin.close()


async def terminate(process: asyncio.subprocess.Process) -> None:
    """Terminate and reap a child process, and close its pipes."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    if not await _ends_within(process, _TERMINATION_TIMEOUT):
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        while not await _ends_within(process, _TERMINATION_TIMEOUT):
            pass
    # A pipe stays open where it was not read to its end, or where another program has it, too. asyncio has
    # no public way to close it, and warns about it after the event loop is closed.
    process._transport.close()  # type: ignore[attr-defined]


async def _ends_within(process: asyncio.subprocess.Process, seconds: float) -> bool:
    """Whether the process ends in time. ``wait()`` alone waits for its pipes as well, one of which a proxy
    command may have that outlives a killed ssh; see https://github.com/python/cpython/issues/119710.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while process.returncode is None and asyncio.get_running_loop().time() < deadline:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _EXIT_CHECK_INTERVAL)
    return process.returncode is not None


async def read_banner(reach: Reach, timeout: float) -> str:
    """sshd's banner, such as ``SSH-2.0-OpenSSH_9.2``; empty if there is no answer.

    User-mode networking accepts connections for a guest that is still booting, so only the first line of the
    protocol (RFC 4253, section 4.2) proves that sshd runs.

    :param timeout: seconds to wait for it.
    """
    try:
        async with asyncio.timeout(timeout), _open_connection(reach) as reader:
            return (await reader.readline()).decode(errors="replace").strip()
    except (OSError, TimeoutError, ValueError):  # the last: a longer line than sshd's
        return ""


@contextlib.asynccontextmanager
async def _open_connection(reach: Reach) -> AsyncIterator[asyncio.StreamReader]:
    """A connection to sshd, made as an ssh client would make it."""
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
        await terminate(process)
