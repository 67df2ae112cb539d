# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until the guest's sshd sends its banner, with few connections.

User-mode networking accepts each connection at once, and passes it to the guest when that has a network,
even if it was closed on the host long before: an emulated guest spent seconds on starting an sshd for each
of a dozen connections that were closed by then. So a connection without an answer is kept open, and the next
one is made after twice the delay, or when the console shows a login prompt.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from callao.file_end import read_end
from callao.reach import Reach
from callao.ssh import read_banner

_CONNECTION_TIMEOUT = 75.0
"""Seconds that a connection without an answer is kept; user-mode networking closes it after this time."""

_REFUSED_INTERVAL = 0.25
"""Seconds between connections to a guest whose kernel refuses them, because its network is up."""

_FIRST_DELAY = 4.0
_MAX_DELAY = 32.0
"""Seconds between connections to a guest that does not answer."""

_LOGIN_PROMPT = b"login:"
"""A getty writes this to the console at about the time when sshd starts."""

_TAIL_SIZE = 256
"""Bytes at the end of the console's log that are searched for the prompt."""


async def wait_for_banner(reach: Reach, console: Path, seconds: float) -> bool:
    """Wait until sshd sends its banner; returns False if it does not within ``seconds``.

    :param console: the log of the guest's console, which may not exist.
    """
    connections = _BannerConnections(reach, console)
    try:
        async with asyncio.timeout(seconds):
            await connections.wait()
    except TimeoutError:
        return False
    finally:
        await connections.close()
    return True


class _BannerConnections:
    """The open connections, and the time of the next one."""

    def __init__(self, reach: Reach, console: Path) -> None:
        self._reach = reach
        self._console = console
        self._prompt_seen = False
        self._pending: set[asyncio.Task[str]] = set()
        self._delay = _FIRST_DELAY
        self._next_connection = 0.0

    async def wait(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            if not self._prompt_seen and _shows_prompt(self._console):
                self._prompt_seen, self._next_connection, self._delay = True, now(), _FIRST_DELAY
            if now() >= self._next_connection:
                self._pending.add(asyncio.create_task(read_banner(self._reach, _CONNECTION_TIMEOUT)))
                self._next_connection = now() + self._delay
                self._delay = min(2 * self._delay, _MAX_DELAY)
            if not self._pending:
                await asyncio.sleep(_REFUSED_INTERVAL)
                continue
            done, self._pending = await asyncio.wait(
                self._pending, timeout=_REFUSED_INTERVAL, return_when=asyncio.FIRST_COMPLETED
            )
            if any(each.result().startswith("SSH-") for each in done):
                return
            if done:  # closed: the guest's kernel answers, so its sshd may start any moment
                self._next_connection, self._delay = now() + _REFUSED_INTERVAL, _FIRST_DELAY

    async def close(self) -> None:
        for each in self._pending:
            each.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)


def _shows_prompt(console: Path) -> bool:
    return _LOGIN_PROMPT in read_end(console, _TAIL_SIZE)
