# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to the program in the guest that runs the tools; opened again after it was lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from callao.errors import CallaoError
from callao.mcp.answers import AnswerLine, answer_line, answered
from callao.mcp.guest import Guest
from callao.mcp.program import READY, command, sources
from callao.mcp.workspace import ToolFailure
from callao.printable import printable
from callao.ssh.client import terminate
from callao.ssh.output import last_bytes
from callao.system import die_with_parent

Answer = tuple[dict[str, Any], list[str]]
"""The result of a tool, and the notices for its client."""

_OPEN_TIMEOUT = 60.0
"""Seconds until the program in the guest runs."""

_ANSWER_GRACE = 30.0
"""Seconds after a call's own time limit until the guest is held to have stopped answering."""

_STDERR_LIMIT = 4096
_LOST = "the connection to the guest was lost during the call"

_MAX_GREETING = 64 << 10
"""Bytes that login scripts of the guest may print before its program says that it is ready."""


def _max_answer(output: int) -> int:
    """Bytes of an answer: two outputs, each character escaped, and the longest list of names. A guest that
    sends more does not run our program.
    """
    return 12 * output + (16 << 20)


class ConnectionLost(ToolFailure):
    """The connection ended during a call."""


@dataclass
class _Session:
    """One run of the program in the guest."""

    process: asyncio.subprocess.Process
    stderr: asyncio.Task[bytes]
    waiting: dict[int, asyncio.Future[AnswerLine]] = field(default_factory=dict)
    given_up: set[int] = field(default_factory=set)
    """Calls that nobody waits for, and that are not answered yet."""

    reader: asyncio.Task[None] | None = None
    open: bool = True

    def send(self, request: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode("ascii") + b"\n")

    async def read_answers(self) -> None:
        """Give each answer to its call, until the connection ends."""
        assert self.process.stdout is not None
        try:
            while line := await self.process.stdout.readline():
                answer = answer_line(line)
                if answer.id in self.given_up:
                    self.given_up.remove(answer.id)
                    continue
                call = self.waiting.pop(answer.id)
                if not call.done():
                    call.set_result(answer)
        except (ValueError, RecursionError, KeyError, OSError):  # no answer, too long, or to no call
            self.kill()
        finally:
            self.lose()

    def lose(self) -> None:
        """Have the calls that wait fail: no answer will come."""
        self.open = False
        for call in self.waiting.values():
            if not call.done():
                call.set_exception(ConnectionLost(_LOST))
        self.waiting.clear()

    def kill(self) -> None:
        """End the connection without the grace that our own program is given."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def close(self) -> None:
        self.lose()
        if self.process.stdin is not None:
            self.process.stdin.close()  # ends the commands in the guest
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.process.wait()), 3.0)
        await terminate(self.process)
        for task in (self.reader, self.stderr):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


class Connection:
    """Calls tools in a guest, several at a time.

    :param output: bytes of each output that calls ask for at most.
    """

    def __init__(self, guest: Guest, output: int = 1 << 20) -> None:
        self._guest = guest
        self._max_answer = _max_answer(output)
        self._session: _Session | None = None
        self._opening: asyncio.Task[_Session] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)

    async def call(self, request: dict[str, Any], *, repeatable: bool) -> Answer:
        """Run a tool; a cancelled call ends what it runs in the guest.

        :param repeatable: whether it changes nothing, and may be called again after the connection was lost.
        :raises ToolFailure: with the reason.
        """
        try:
            return await self._call(request)
        except ConnectionLost as error:
            if repeatable:
                return await self._call(request)
            raise ToolFailure(
                f"{error}; whether it had its effect is not known. The next call connects again."
            ) from None

    async def open(self) -> _Session:
        """Connect, if there is no connection.

        :raises ToolFailure: with the reason.
        """
        if self._session is not None and self._session.open:
            return self._session
        if self._opening is None:
            # A task of its own, because other calls wait for it when the one that began it is cancelled.
            self._opening = asyncio.create_task(self._reopen())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    async def close(self) -> None:
        """End the connection, and all commands that run."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._session is not None:
            self._close_later(self._session)
            self._session = None
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _reopen(self) -> _Session:
        if self._session is not None:
            self._close_later(self._session)
        self._session = await self._start()
        return self._session

    def _opened(self, task: asyncio.Task[_Session]) -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()  # retrieved, where nobody waits for it any more

    def _close_later(self, session: _Session) -> None:
        """Close it in a task of its own, which no cancelled call interrupts."""
        session.open = False
        task = asyncio.create_task(session.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _call(self, request: dict[str, Any]) -> Answer:
        session = await self.open()
        number = next(self._numbers)
        call: asyncio.Future[AnswerLine] = asyncio.get_running_loop().create_future()
        session.waiting[number] = call
        try:
            session.send({"id": number, **request})
            async with asyncio.timeout(float(request["timeout"]) + _ANSWER_GRACE):
                answer = await call
        except TimeoutError:
            self._close_later(session)
            raise ToolFailure("the guest does not answer") from None
        except OSError:
            session.open = False
            raise ConnectionLost(_LOST) from None
        except asyncio.CancelledError:
            if session.open and number in session.waiting:
                session.given_up.add(number)
                session.send({"cancel": number})
            raise
        finally:
            session.waiting.pop(number, None)
            if call.done() and not call.cancelled():
                call.exception()  # retrieved, where the call was cancelled at the same time
        return answered(request["tool"], answer)

    async def _start(self) -> _Session:
        try:
            argv = self._guest.argv(command())
        except CallaoError as error:
            raise ToolFailure(str(error)) from error
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=die_with_parent(),
            start_new_session=True,
            limit=self._max_answer,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        session = _Session(process, asyncio.create_task(last_bytes(process.stderr, _STDERR_LIMIT)))
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT):
                process.stdin.write(sources())
                ready = await _greeted(process.stdout)
            if not ready:
                if not process.stdout.at_eof():
                    session.kill()
                process.stdin.close()
                message = await asyncio.wait_for(session.stderr, 5.0)
                reason = printable(message.decode(errors="replace").strip())
                raise ToolFailure(f"the guest cannot be reached: {reason or 'ssh ended'}")
        except (TimeoutError, OSError, ValueError) as error:
            session.kill()
            await session.close()
            raise ToolFailure(f"the guest cannot be reached: {error or 'no answer'}") from error
        except BaseException:
            await session.close()
            raise
        session.reader = asyncio.create_task(session.read_answers())
        return session


async def _greeted(stdout: asyncio.StreamReader) -> bool:
    """Whether the program says that it is ready, after what login scripts of the guest print."""
    left = _MAX_GREETING
    while left > 0 and (line := await stdout.readline()):
        if line == READY:
            return True
        left -= len(line)
    return False
