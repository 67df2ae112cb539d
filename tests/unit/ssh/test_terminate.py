# SPDX-License-Identifier: GPL-3.0-or-later
"""A program is ended, whoever else has its pipes."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from callao.ssh import client, terminate

STUBBORN = 'sleep 300 & echo "$!" >&2; trap "" TERM; while :; do sleep 0.1; done'
"""Ends by SIGKILL alone; the program that it has begun keeps the pipe."""


def test_a_killed_program_is_not_waited_for_because_another_has_its_pipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "_TERMINATION_TIMEOUT", 0.3)

    async def play() -> int | None:
        process = await asyncio.create_subprocess_exec("sh", "-c", STUBBORN, stderr=asyncio.subprocess.PIPE)
        assert process.stderr is not None
        other = int(await process.stderr.readline())
        try:
            async with asyncio.timeout(60):
                await terminate(process)
        finally:
            os.kill(other, signal.SIGKILL)
        return process.returncode

    assert asyncio.run(play()) == -signal.SIGKILL
