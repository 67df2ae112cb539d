# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of a real guest: who can read them there, and that no file of the host has them in the end."""

from __future__ import annotations

import base64
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.home import CACHE, Home, build_golden, temporary_home

from callao.errors import CallaoError
from callao.events import Event, EventState, silent
from callao.instances import InstancePaths, inspect
from callao.lifecycle.secrets import secrets_of
from callao.lifecycle.snapshots import operations
from callao.secrets import SecretValue

pytestmark = pytest.mark.guest

NAMES = ("in-file", "IN_VARIABLE", "by-task")
FOLDER = "/run/callao/secrets"


def value() -> bytes:
    """A value that no other file has, and that a shell would read otherwise if it saw it."""
    return b"s3cr3t '$(id)\n" + base64.b64encode(os.urandom(24))


def needles(data: bytes) -> list[str]:
    """What a file that has the value has: the value's part without special characters, and base64 of it."""
    plain = data.partition(b"\n")[2]
    return [plain.decode(), *(base64.b64encode(data[skipped:])[:40].decode() for skipped in range(3))]


def files_with(words: list[str], *folders: Path, since: float = 0.0) -> list[str]:
    """The files that have one of the words, links in the folder itself followed."""
    paths = [
        str(path)
        for folder in folders
        for root, _, names in os.walk(folder, followlinks=False)
        for path in (Path(root) / name for name in names)
        if path.is_file() and path.stat().st_mtime >= since
    ]
    expressions = [part for word in words for part in ("-e", word)]
    done = subprocess.run(
        ["grep", "-laF", *expressions, "--", *paths], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.splitlines()


class Box:
    def __init__(self, home: Home, file: Path) -> None:
        self.home, self.file, self.began = home, file, time.time()
        self.known: list[bytes] = []

    def new_value(self) -> bytes:
        self.known.append(value())
        return self.known[-1]

    def ensure(self, *names: str, **request: Any) -> tuple[Any, list[str]]:
        """The outcome with these secrets, and the notices."""
        sources = {NAMES[0]: {"file": str(self.file)}, NAMES[1]: {"env": "CALLAO_TEST_SECRET"}}
        entries = [{"name": each, **sources.get(each, {})} for each in names]
        events: list[Event] = []
        extra = {**self.home.direct(), "secrets": entries}
        outcome = self.home.ensure(
            "box", extra=extra, events=events, **{"warm": True, "timeout": 600, **request}
        )
        return outcome, [each.message for each in events if each.state is EventState.NOTICE]

    def run(self, command: str) -> str:
        done = self.home.ssh("box", command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def read(self, name: str) -> bytes:
        return base64.b64decode(self.run(f"base64 -w0 {FOLDER}/{name}"))

    def given(self) -> list[str]:
        found = secrets_of(inspect("box", self.home.path, self.home.host))
        return [str(each["name"]) for each in found if each["given"]]

    def take(self, name: str) -> Any:
        return operations.take(
            "box", name, home=self.home.path, host=self.home.host, timeout=300, report=silent
        )


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with temporary_home(build_golden()) as home:
        yield Box(home, tmp_path / "source")


def test_a_guest_has_its_secrets_in_memory_alone(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = box.new_value(), box.new_value(), box.new_value()
    box.file.write_bytes(first)
    monkeypatch.setenv("CALLAO_TEST_SECRET", second.decode())
    outcome, _ = box.ensure(*NAMES, secret_values={NAMES[2]: SecretValue(third)})
    assert "give-secrets" in outcome.actions
    assert [box.read(each) for each in NAMES] == [first, second, third]
    assert not box.ensure(*NAMES, secret_values={NAMES[2]: SecretValue(third)})[0].changed

    # Who may read them, and where they are.
    look = f"stat -c '%a %U' {FOLDER} {FOLDER}/*; findmnt -no FSTYPE,OPTIONS {FOLDER}; id -un"
    folder, *files, mount, user = box.run(look).splitlines()
    assert folder == "755 root"
    assert files == [f"400 {user}"] * 3
    assert mount.startswith("ramfs")
    assert {"nosuid", "nodev", "noexec"} <= set(mount.split()[1].split(","))
    assert box.run(f"sudo -u nobody cat {FOLDER}/{NAMES[0]} 2>&1; true").endswith("Permission denied\n")

    # Another value while it runs, and none: the machine's memory may have them from now on.
    box.file.write_bytes(fourth := box.new_value())
    fifth = box.new_value()
    box.ensure(*NAMES, secret_values={NAMES[0]: SecretValue(fourth), NAMES[2]: SecretValue(fifth)})
    assert [box.read(each) for each in (NAMES[0], NAMES[2])] == [fourth, fifth]
    with pytest.raises(CallaoError, match=r"may hold IN_VARIABLE, by-task, in-file.*Stop it first"):
        box.take("memory")
    box.ensure(NAMES[0])
    assert box.run(f"ls {FOLDER}") == f"{NAMES[0]}\n"
    box.ensure()
    assert box.run(f"ls {FOLDER}") == ""
    with pytest.raises(CallaoError, match="may hold"):
        box.take("memory")
    box.ensure(*NAMES, secret_values={NAMES[2]: SecretValue(fifth)})

    running = "\n".join(box.home.processes()) + box.run("ps -eo args")
    assert not any(word in running for each in box.known for word in needles(each))

    # A start reads the sources again. One that is gone is told, and the machine's memory can be saved then.
    box.ensure(state="stopped")
    box.ensure(*NAMES, state="stopped")
    assert box.take("disk").machine is None
    box.file.unlink()
    monkeypatch.delenv("CALLAO_TEST_SECRET")
    _, notices = box.ensure(*NAMES)
    for words in (
        f"{NAMES[0]}: the file",
        f"{NAMES[1]}: the environment variable",
        f"{NAMES[2]}: lima.yaml",
    ):
        assert any(words in each for each in notices), notices
    assert box.given() == []
    box.run("sudo mount -t tmpfs tmpfs /mnt && echo it-is-searched-well | sudo tee /mnt/word")
    assert box.take("memory").machine is not None
    box.file.write_bytes(first)
    box.ensure(*NAMES, secret_values={NAMES[0]: SecretValue(first)})
    assert box.given() == [NAMES[0]]
    box.run("sync")

    # All files of this home and what has changed of the cache, with the memory and the disks.
    words = [word for each in box.known for word in needles(each)]
    searched = files_with(["it-is-searched-well"], box.home.path)
    memory = InstancePaths(box.home.path / "box").snapshots / "memory"
    assert [each for each in searched if Path(each).is_relative_to(memory)] != []
    assert files_with(words, box.home.path) == []
    assert files_with(words, CACHE, since=box.began) == []
