# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until the guest's sshd sends its banner, or its kernel refuses a connection, with few connections.

User-mode networking accepts each connection at once, and passes it to the guest when that has a network,
even if it was closed on the host long before: an emulated guest spent seconds on starting an sshd for each
of a dozen connections that were closed by then. So none is made while the guest's console is written to, a
sign of a boot, until it shows a login prompt; one without an answer is kept open, and the next one is made
after twice the delay. A guest that refuses one has a network and no sshd yet: from then on a login costs it
nothing before it has one.
"""

from __future__ import annotations

import asyncio
import enum
from pathlib import Path

from callao.file_end import read_end
from callao.reach import Reach
from callao.ssh import read_banner

_CONNECTION_TIMEOUT = 75.0
"""Seconds that a connection without an answer is kept; user-mode networking closes it after this time."""

_REFUSAL_AGE = 60.0
"""Seconds after which a connection that is closed had no answer at all."""

_LOOK_INTERVAL = 0.25
"""Seconds between two looks at the console."""

_SILENT_START = 10.0
"""Seconds before the first connection to a guest whose console nothing is written to."""

_FIRST_DELAY = 6.0
_MAX_DELAY = 32.0
"""Seconds between connections to a guest that does not answer."""

_PROMPT_DELAY = 1.5
"""Seconds between the first two connections after a login prompt. One that came before the guest had its
address is repeated by user-mode networking after six."""

_SILENCE = 10.0
"""Seconds after which a console that nothing is written to says no more of the boot."""

_MAX_WAIT = 60.0
"""Seconds without a connection, however much is written to the console: it may be the guest's log."""

_LOGIN_PROMPT = b"login:"
"""A getty writes this to the console at about the time when sshd starts."""

_TAIL_SIZE = 256
"""Bytes at the end of the console's log that are searched for the prompt."""


class Answer(enum.Enum):
    """What a connection to the guest's ssh port has brought."""

    BANNER = enum.auto()
    REFUSED = enum.auto()


async def wait_for_answer(reach: Reach, console: Path, seconds: float) -> Answer | None:
    """Wait until sshd sends its banner or the guest's kernel refuses a connection; None if neither happens
    within ``seconds``.

    :param console: the log of the guest's console, which may not exist.
    """
    connections = _BannerConnections(reach, console)
    try:
        async with asyncio.timeout(seconds):
            return await connections.wait()
    except TimeoutError:
        return None
    finally:
        await connections.close()


class _BannerConnections:
    """The open connections, and the time of the next one."""

    def __init__(self, reach: Reach, console: Path) -> None:
        self._reach = reach
        self._console = _Console(console)
        self._pending: dict[asyncio.Task[str], float] = {}
        """Each with the time of its beginning."""
        self._delay = _FIRST_DELAY
        self._next_connection = 0.0

    async def wait(self) -> Answer:
        now = asyncio.get_running_loop().time
        self._next_connection, latest = now() + _SILENT_START, now() + _MAX_WAIT
        while True:
            if self._console.shows_prompt(now()):
                self._next_connection, self._delay = now(), _PROMPT_DELAY
            if now() >= self._next_connection and (now() >= latest or not self._console.is_written(now())):
                self._pending[asyncio.create_task(read_banner(self._reach, _CONNECTION_TIMEOUT))] = now()
                self._next_connection, latest = now() + self._delay, now() + _MAX_WAIT
                self._delay = min(2 * self._delay, _MAX_DELAY)
            if not self._pending:
                await asyncio.sleep(_LOOK_INTERVAL)
                continue
            done, _ = await asyncio.wait(
                self._pending, timeout=_LOOK_INTERVAL, return_when=asyncio.FIRST_COMPLETED
            )
            for each in done:
                age = now() - self._pending.pop(each)
                if each.result().startswith("SSH-"):
                    return Answer.BANNER
                if age < _REFUSAL_AGE:
                    return Answer.REFUSED

    async def close(self) -> None:
        for each in self._pending:
            each.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)


class _Console:
    """The guest's console, looked at from time to time."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._size = 0
        self._written = 0.0
        self._prompt_seen = False

    def shows_prompt(self, now: float) -> bool:
        """Whether it shows a login prompt, for the first time."""
        size = self._log.stat().st_size if self._log.exists() else 0
        if size != self._size:
            self._size, self._written = size, now
        if self._prompt_seen:
            return False
        self._prompt_seen = _LOGIN_PROMPT in read_end(self._log, _TAIL_SIZE)
        return self._prompt_seen

    def is_written(self, now: float) -> bool:
        """Whether the guest still writes what it does at boot."""
        return not self._prompt_seen and self._size > 0 and now - self._written < _SILENCE
