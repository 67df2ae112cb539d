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
from callao.mcp.guest import Guest
from callao.mcp.program import command, sources
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

_MAX_ANSWER = 64 << 20
"""Bytes of an answer: more than all limits of a call allow, so a guest that sends more is not ours."""


class ConnectionLost(ToolFailure):
    """The connection ended during a call."""


@dataclass
class _Session:
    """One run of the program in the guest."""

    process: asyncio.subprocess.Process
    stderr: asyncio.Task[bytes]
    waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
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
                answer = json.loads(line)
                call = self.waiting.pop(answer.get("id", 0), None) if isinstance(answer, dict) else None
                if call is not None and not call.done():
                    call.set_result(answer)
        except (ValueError, TypeError, RecursionError, OSError):  # no JSON, or too long a line
            pass
        finally:
            self.lose()

    def lose(self) -> None:
        """Have the calls that wait fail: no answer will come."""
        self.open = False
        for call in self.waiting.values():
            if not call.done():
                call.set_exception(ConnectionLost(_LOST))
        self.waiting.clear()

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
    """Calls tools in a guest, several at a time."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest
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
        call: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
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
            if session.open:
                session.send({"cancel": number})
            raise
        finally:
            session.waiting.pop(number, None)
            if call.done() and not call.cancelled():
                call.exception()  # retrieved, where the call was cancelled at the same time
        return _checked(answer)

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
            limit=_MAX_ANSWER,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        session = _Session(process, asyncio.create_task(last_bytes(process.stderr, _STDERR_LIMIT)))
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT):
                process.stdin.write(sources())
                first = await process.stdout.readline()
            if b'"ready"' not in first:
                process.stdin.close()
                message = await asyncio.wait_for(session.stderr, 5.0)
                reason = printable(message.decode(errors="replace").strip())
                raise ToolFailure(f"the guest cannot be reached: {reason or 'ssh ended'}")
        except (TimeoutError, OSError, ValueError) as error:
            await session.close()
            raise ToolFailure(f"the guest cannot be reached: {error or 'no answer'}") from error
        except BaseException:
            await session.close()
            raise
        session.reader = asyncio.create_task(session.read_answers())
        return session


def _checked(answer: dict[str, Any]) -> Answer:
    """What the guest has answered, which may be anything."""
    if "error" in answer:
        raise ToolFailure(str(answer["error"]))
    result, notices = answer.get("result"), answer.get("notices")
    if not isinstance(result, dict) or not isinstance(notices, list):
        raise ToolFailure("the guest has answered with something else than a result")
    return result, [str(each) for each in notices]
