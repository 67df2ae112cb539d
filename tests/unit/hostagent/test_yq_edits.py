# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's side of provision mode yq, on folders of this machine in place of a guest's."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callao.config.schema import Provision, ProvisionMode
from callao.hostagent.boot import yq_edits
from callao.ssh import CommandResult


class Here:
    """Runs what is for the guest on this machine, where sudo is nobody's."""

    def __init__(self, folder: Path) -> None:
        sudo = folder / "bin" / "sudo"
        sudo.parent.mkdir()
        sudo.write_text('#!/bin/sh\nshift\nexec "$@"\n')
        sudo.chmod(0o755)
        self.path = f"{sudo.parent}:/usr/bin:/bin"

    async def run(self, script: str, timeout: float, interpreter: str = "/bin/sh") -> CommandResult:
        done = await asyncio.to_thread(
            subprocess.run, ["sh"], input=script, env={"PATH": self.path}, capture_output=True, text=True
        )
        return CommandResult(done.returncode, done.stdout, done.stderr)

    async def stream(self, script: str, line: Callable[[str], None]) -> int:
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", script, stdout=asyncio.subprocess.PIPE, env={"PATH": self.path}
        )
        assert process.stdout is not None
        try:
            async for text in process.stdout:
                line(text.decode())
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            process._transport.close()  # type: ignore[attr-defined]


class Configured:
    """As much of a configuration as is asked for."""

    def __init__(self, *entries: Provision) -> None:
        self.provision = entries


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "edits"
    made.mkdir()
    monkeypatch.setattr(yq_edits, "_POLL_SCRIPT", yq_edits._POLL_SCRIPT.replace(yq_edits._FOLDER, str(made)))
    monkeypatch.setattr(yq_edits, "_FOLDER", str(made))
    return made


def serve_edits(folder: Path, entry: Provision, before: bytes | None, number: str = "00000000") -> str:
    """What is answered to a guest that asks for an edit."""
    asked = folder / number
    asked.mkdir()
    if before is not None:
        (asked / "before").write_bytes(before)
    (asked / "asked").touch()

    async def wait() -> None:
        client: Any = Here(folder.parent)
        config: Any = Configured(entry)
        async with asyncio.timeout(60), yq_edits.serve_edits(config, client):
            while not (asked / "answered").exists():
                await asyncio.sleep(0.05)

    asyncio.run(wait())
    return (asked / "answered").read_text()


def edit(expression: str, path: str = "/etc/x.json") -> Provision:
    return Provision(mode=ProvisionMode.YQ, path=path, expression=expression)


def test_a_file_is_edited_for_the_guest(folder: Path) -> None:
    assert serve_edits(folder, edit('.a = "\'é"'), b'{"b": 1}') == "settled\n"
    assert (folder / "00000000" / "after").read_text() == '{\n  "b": 1,\n  "a": "\'é"\n}\n'


def test_an_edit_that_goes_on_changing_says_so(folder: Path) -> None:
    assert serve_edits(folder, edit(".n += 1"), None) == "changed\n"


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (b"{'; touch /x; '", "failed the file is not json"),
        (b"\xff\xfe", "failed the file is not text"),
        (b'"' + b"x" * 300_000 + b'"', "failed the file is larger than 256 KiB"),
    ],
)
def test_what_cannot_be_edited_is_told_to_the_guest(folder: Path, before: bytes, words: str) -> None:
    assert serve_edits(folder, edit("."), before).startswith(words)


def test_a_guest_gets_no_other_edit_than_those_of_its_configuration(folder: Path) -> None:
    for number in ("00000001", "..", "$(touch x)"):
        (folder / number).mkdir(exist_ok=True)
        (folder / number / "asked").touch()
    serve_edits(folder, edit(".a = 1"), b"{}")
    assert not (folder / "00000001" / "answered").exists()


def test_a_guest_that_asks_for_every_edit_without_end_is_answered_so_many_times(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And ends nothing by it."""
    heard: list[str] = []

    async def count(number: str, _entry: Provision, _client: Any) -> None:
        heard.append(number)

    class Endless(Here):
        async def stream(self, script: str, line: Callable[[str], None]) -> int:
            for index in range(60):
                for _ in range(100):
                    line(f"{index:08d}")
            return await asyncio.Future()

    async def wait() -> None:
        client: Any = Endless(folder.parent)
        config: Any = Configured(*[edit(".")] * 60)
        async with asyncio.timeout(60), yq_edits.serve_edits(config, client):
            while len(heard) < 60 * yq_edits._MAX_REQUESTS:
                await asyncio.sleep(0.01)

    monkeypatch.setattr(yq_edits, "_answer", count)
    asyncio.run(wait())
    assert len(heard) == 60 * yq_edits._MAX_REQUESTS
