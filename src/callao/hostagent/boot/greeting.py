# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until the guest's sshd greets, with few connections.

User-mode networking accepts each connection at once, and hands it to the guest as soon as that has a
network, also when we closed it long before: an emulated guest spent seconds on starting an sshd for each of
a dozen connections that nobody held any more. So a connection that says nothing is kept, and the next one is
made after twice as long, or when the console shows a login prompt.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from callao.reach import Reach
from callao.ssh import read_banner

_HELD = 75.0
"""Seconds that a silent connection is kept: user-mode networking gives up on it after these."""

_INTERVAL = 0.25
"""Seconds between two connections to a guest whose kernel refuses them: its network is up."""

_FIRST_GAP = 4.0
_LONGEST_GAP = 32.0
"""Seconds between two connections to a guest that says nothing."""

_PROMPT = b"login:"
"""What a getty writes on the console, at about the time when sshd starts."""

_TAIL = 256
"""Bytes at the end of the console's log in which the prompt is looked for."""


async def greeted(reach: Reach, console: Path, seconds: float) -> bool:
    """Wait until sshd sends its banner; False when it has not after ``seconds``.

    :param console: the log of the guest's console; there may be none.
    """
    calls = _Calls(reach, console)
    try:
        async with asyncio.timeout(seconds):
            await calls.answered()
    except TimeoutError:
        return False
    finally:
        await calls.end()
    return True


class _Calls:
    """The connections that are open, and when the next one is made."""

    def __init__(self, reach: Reach, console: Path) -> None:
        self._reach = reach
        self._console = console
        self._prompted = False
        self._open: set[asyncio.Task[str]] = set()
        self._gap = _FIRST_GAP
        self._next = 0.0

    async def answered(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            if not self._prompted and _prompts(self._console):
                self._prompted, self._next, self._gap = True, now(), _FIRST_GAP
            if now() >= self._next:
                self._open.add(asyncio.create_task(read_banner(self._reach, _HELD)))
                self._next = now() + self._gap
                self._gap = min(2 * self._gap, _LONGEST_GAP)
            if not self._open:
                await asyncio.sleep(_INTERVAL)
                continue
            done, self._open = await asyncio.wait(
                self._open, timeout=_INTERVAL, return_when=asyncio.FIRST_COMPLETED
            )
            if any(each.result().startswith("SSH-") for each in done):
                return
            if done:  # closed: the guest's kernel answers, and its sshd may come any moment
                self._next, self._gap = now() + _INTERVAL, _FIRST_GAP

    async def end(self) -> None:
        for each in self._open:
            each.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


def _prompts(console: Path) -> bool:
    try:
        with console.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL))
            return _PROMPT in file.read()
    except OSError:
        return False
