# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ends of a reverse-sshfs mount: both there, both ended, and opened anew when they break."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from callao.config.schema import Mount
from callao.errors import AgentError
from callao.mounts import mount_sshfs, sshfs
from callao.ssh.client import CommandResult

MOUNT = Mount(location="/data", mount_point="/srv")


class Guest:
    """Stands for ssh: its sessions are programs of this machine, and its looks are answered at once."""

    def __init__(self, *session: str, shown: int = 0) -> None:
        self.session, self.shown = session, shown
        self.opened = 0

    def argv(self, *_options: str, command: Any = ()) -> list[str]:
        assert "sshfs" in command[0]
        self.opened += 1
        return list(self.session)

    async def run(self, script: str, timeout: float) -> CommandResult:
        if self.shown:  # a look that sees nothing goes on as long as it may
            await asyncio.sleep(timeout)
        return CommandResult(self.shown, "", "")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything that reads its stream stands for the SFTP server."""
    monkeypatch.setattr(sshfs, "server_argv", lambda _mount: ["cat"])
    monkeypatch.setattr(sshfs, "_RECONNECT_DELAYS", (0.0,))


def alive(share: sshfs.Share) -> list[bool]:
    return [each.returncode is None for each in share.processes]


def test_both_ends_are_there_until_it_is_closed() -> None:
    async def play() -> None:
        guest: Any = Guest("sleep", "600")
        share = await mount_sshfs(MOUNT, guest)
        assert alive(share) == [True, True]
        await share.close()
        assert alive(share) == [False, False]
        assert guest.opened == 1

    asyncio.run(play())


@pytest.mark.parametrize("lost", [0, 1])
def test_a_stream_that_breaks_is_opened_anew(lost: int) -> None:
    async def play() -> None:
        guest: Any = Guest("cat")  # ends with its stream, as sshfs does
        share = await mount_sshfs(MOUNT, guest)
        first = share.processes
        first[lost].kill()
        async with asyncio.timeout(30):
            while share.processes is first or alive(share) != [True, True]:
                await asyncio.sleep(0.01)
        assert [each.returncode is None for each in first] == [False, False]
        await share.close()
        assert alive(share) == [False, False]

    asyncio.run(play())


def test_a_session_that_writes_errors_without_end_stops_no_stream() -> None:
    """And what it says takes no memory."""
    script = "head -c 3000000 /dev/zero >&2; echo at last >&2; exec cat"

    async def play() -> None:
        guest: Any = Guest("sh", "-c", script)
        share = await mount_sshfs(MOUNT, guest)
        assert share.session_stderr is not None
        async with asyncio.timeout(30):
            while (
                await asyncio.to_thread(Path(f"/proc/{share.processes[1].pid}/comm").read_text)
            ) != "cat\n":
                await asyncio.sleep(0.01)
        session_stderr = share.session_stderr
        await share.close()
        assert len(await session_stderr) == sshfs._MAX_STDERR
        assert (await session_stderr).endswith(b"at last\n")

    asyncio.run(play())


def test_a_guest_that_is_away_is_tried_again() -> None:
    async def play() -> None:
        guest: Any = Guest("sleep", "600")
        share = await mount_sshfs(MOUNT, guest)
        guest.session, guest.shown = ("false",), 1
        share.processes[1].kill()
        async with asyncio.timeout(30):
            while guest.opened < 4:
                await asyncio.sleep(0.01)
            guest.session, guest.shown = ("sleep", "600"), 0
            while alive(share) != [True, True]:
                await asyncio.sleep(0.01)
        await share.close()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("session", "words"),
    [
        (("sh", "-c", "echo 'sudo: sshfs: command not found' >&2; exit 1"), "sshfs: command not found"),
        (("sh", "-c", "exit 1"), "sshfs showed no mount"),
    ],
)
def test_a_guest_without_sshfs_says_so_and_no_end_is_left(session: tuple[str, ...], words: str) -> None:
    async def play() -> None:
        guest: Any = Guest(*session, shown=1)
        share = sshfs.Share(MOUNT, guest)
        match = rf"'/data' could not be mounted at '/srv': .*{words}.*The guest needs sshfs"
        with pytest.raises(AgentError, match=match):
            await share.open()
        assert alive(share) == [False, False]

    asyncio.run(play())


def test_no_server_is_left_where_ssh_cannot_be_started(tmp_path: Path) -> None:
    async def play() -> None:
        guest: Any = Guest(str(tmp_path / "no-ssh"))
        share = sshfs.Share(MOUNT, guest)
        with pytest.raises(FileNotFoundError):
            await share.open()
        assert alive(share) == [False]

    asyncio.run(play())
