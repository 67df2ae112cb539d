# SPDX-License-Identifier: GPL-3.0-or-later
"""A command of the guest may write what it likes: it is read in bounded memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sshd import Box, Sshd, free_port, keygen

from callao.errors import AgentError
from callao.ssh import Client
from callao.ssh import client as ssh_client
from callao.ssh.output import LINE_LIMIT, OUTPUT_LIMIT, last_bytes, lines


def fed(*parts: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    for part in parts:
        reader.feed_data(part)
    reader.feed_eof()
    return reader


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([b""], []),
        ([b"one\n"], ["one"]),
        ([b"o", b"ne\r", b"\ntwo"], ["one", "", "two"]),
        ([b" 1%\r 2%\r", b" 3%\n"], [" 1%", " 2%", " 3%"]),
        ([b"abcdef", b"ghijkl", b"\nm\n"], ["abcdefgh", "m"]),
        ([b"\xff\n"], ["\ufffd"]),
    ],
)
def test_lines_end_at_either_sign_and_are_cut_off(parts: list[bytes], found: list[str]) -> None:
    async def read() -> list[str]:
        return [line async for line in lines(fed(*parts), limit=8)]

    assert asyncio.run(read()) == found


def test_of_an_output_the_last_bytes_are_kept() -> None:
    async def read() -> bytes:
        return await last_bytes(fed(b"abc", b"defg"), limit=4)

    assert asyncio.run(read()) == b"defg"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    home = tmp_path / "home"
    (home / "_config").mkdir(parents=True)
    authorized = keygen(home / "_config" / "user").with_suffix(".pub")
    sshd = Sshd(tmp_path / "sshd", free_port(), authorized).start()
    folder = Box(home, Sshd).instance("web", sshd)
    try:
        yield Client(folder / "ssh.config", "lima-web", folder / "ssh.sock")
    finally:
        sshd.kill()


def test_a_command_that_writes_without_end_leaves_its_last_words(client: Client) -> None:
    script = "head -c 30000000 /dev/zero | tr '\\0' a; echo end; head -c 30000000 /dev/zero >&2; exit 3"
    answer = asyncio.run(client.run(script, timeout=60.0))
    assert answer.status == 3
    assert answer.stdout.endswith("aend\n")
    assert (len(answer.stdout), len(answer.stderr)) == (OUTPUT_LIMIT, OUTPUT_LIMIT)


def test_a_line_of_megabytes_and_a_progress_bar_do_not_end_a_stream(client: Client) -> None:
    told: list[str] = []
    bar = "i=0; while [ $i -lt 20000 ]; do printf '%50s%%\\r' $i; i=$((i+1)); done"
    status = asyncio.run(client.stream(f"head -c 3000000 /dev/zero; echo; {bar}; exit 4", told.append))
    assert status == 4
    assert [len(line) for line in told[:2]] == [LINE_LIMIT, 51]
    assert len(told) == 20001


def test_bytes_are_received_as_they_are_until_they_are_refused(client: Client) -> None:
    received = bytearray()
    answer = asyncio.run(
        client.receive("head -c 300000 /dev/zero; echo no >&2; exit 3", received.extend, timeout=60.0)
    )
    assert (answer.status, answer.stderr, bytes(received)) == (3, "no\n", bytes(300000))

    def refuse(data: bytes) -> None:
        raise ValueError(len(data))

    with pytest.raises(ValueError, match=r"\d"):
        asyncio.run(client.receive("cat /dev/zero", refuse, timeout=60.0))


def test_a_command_that_does_not_read_its_script_is_no_error(client: Client) -> None:
    answer = asyncio.run(client.run("x" * 3_000_000, timeout=60.0, interpreter="exit 5;"))
    assert answer.status == 5


def test_a_control_master_that_does_not_answer_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the guest's sshd, told to listen, says neither yes nor no."""
    pids = tmp_path / "pids"
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho $$ >>{pids}\nexec sleep 600\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(ssh_client, "_CONTROL_TIMEOUT", 0.5)
    waiting = Client(tmp_path / "ssh.config", "lima-web", tmp_path / "ssh.sock")
    with pytest.raises(AgentError, match="ssh -O forward: no answer within"):
        asyncio.run(waiting.control("forward", "-R", "/run/a.sock:/tmp/b.sock"))
    for pid in pids.read_text().split():
        assert not Path(f"/proc/{pid}").exists()
