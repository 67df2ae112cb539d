# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd's greeting awaited, on a port that behaves as user-mode networking's does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from callao.hostagent.boot import sshd_banner
from callao.hostagent.boot.sshd_banner import Answer, wait_for_answer
from callao.reach import Reach


class Guest:
    """Its port: connections are accepted from the beginning, and answered once it is up."""

    def __init__(self) -> None:
        self.calls = 0
        self.gone = 0
        self.up = asyncio.Event()
        self.refuses = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        if self.refuses:
            self.refuses -= 1
        else:
            up, left = asyncio.create_task(self.up.wait()), asyncio.create_task(reader.read())
            await asyncio.wait({up, left}, return_when=asyncio.FIRST_COMPLETED)
            self.gone += left.done()
            for each in (up, left):
                each.cancel()
            writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()


def play(
    console: Path, seconds: float, plot: Callable[[Guest], Coroutine[object, object, None]], refuses: int = 0
) -> tuple[Answer | None, Guest]:
    """What the guest answered, and the guest."""

    async def played() -> tuple[Answer | None, Guest]:
        guest = Guest()
        guest.refuses = refuses
        server = await asyncio.start_server(guest.answer, "127.0.0.1", 0)
        story = asyncio.create_task(plot(guest))
        try:
            heard = await wait_for_answer(Reach(server.sockets[0].getsockname()[1]), console, seconds)
        finally:
            story.cancel()
            server.close()
        return heard, guest

    return asyncio.run(played())


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundredth of each time."""
    for name in (
        "_CONNECTION_TIMEOUT",
        "_REFUSAL_AGE",
        "_LOOK_INTERVAL",
        "_SILENT_START",
        "_SILENCE",
        "_MAX_WAIT",
        "_FIRST_DELAY",
        "_PROMPT_DELAY",
        "_MAX_DELAY",
    ):
        monkeypatch.setattr(sshd_banner, name, getattr(sshd_banner, name) / 100)


async def comes_up(guest: Guest) -> None:
    await asyncio.sleep(0.6)
    guest.up.set()


async def stays_silent(_guest: Guest) -> None:
    return


def test_a_guest_that_boots_for_a_minute_has_few_connections_to_answer(tmp_path: Path) -> None:
    heard, guest = play(tmp_path / "serial.log", 60.0, comes_up)
    assert heard is Answer.BANNER
    assert guest.calls <= 6
    assert guest.gone == 0  # nobody had closed them


def test_the_wait_ends_with_its_time(tmp_path: Path) -> None:
    heard, guest = play(tmp_path / "serial.log", 0.3, stays_silent)
    assert (heard, guest.calls > 0) == (None, True)


def test_a_guest_that_refuses_a_connection_has_a_network(tmp_path: Path) -> None:
    heard, guest = play(tmp_path / "serial.log", 60.0, stays_silent, refuses=1)
    assert (heard, guest.calls) == (Answer.REFUSED, 1)


def test_a_connection_that_ends_with_user_mode_networkings_patience_is_none_that_was_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sshd_banner, "_REFUSAL_AGE", 0.0)
    heard, guest = play(tmp_path / "serial.log", 60.0, comes_up, refuses=2)
    assert heard is Answer.BANNER
    assert guest.calls > 2


def test_a_login_prompt_brings_a_connection_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console = tmp_path / "serial.log"
    for name in ("_SILENCE", "_PROMPT_DELAY", "_MAX_WAIT"):  # none of which passes, however slow the host is
        monkeypatch.setattr(sshd_banner, name, 600.0)

    async def prompts(guest: Guest) -> None:
        console.write_bytes(b"Linux version 6.1.0\r\n")
        await asyncio.sleep(0.2)
        assert guest.calls == 0  # a boot that can be seen is not disturbed
        console.write_bytes(b"\r\nDebian GNU/Linux 12 lima-box ttyS0\r\n\r\nlima-box login: ")
        while guest.calls < 1:
            await asyncio.sleep(0.01)
        guest.up.set()

    heard, guest = play(console, 60.0, prompts)
    assert (heard, guest.calls) == (Answer.BANNER, 1)


def test_a_console_that_falls_silent_is_waited_for_no_longer(tmp_path: Path) -> None:
    console = tmp_path / "serial.log"
    console.write_bytes(b"Welcome to GRUB!\r\n")

    async def comes_up_unseen(guest: Guest) -> None:
        guest.up.set()

    assert play(console, 60.0, comes_up_unseen)[0] is Answer.BANNER


def test_a_guest_that_logs_on_its_console_without_end_is_reached(tmp_path: Path) -> None:
    console = tmp_path / "serial.log"

    async def chatters(guest: Guest) -> None:
        guest.up.set()
        with console.open("ab", buffering=0) as log:
            while True:
                log.write(b"audit: something\r\n")
                await asyncio.sleep(0.01)

    assert play(console, 60.0, chatters)[0] is Answer.BANNER
