# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's sshd that is reached by a proxy command alone; against a real sshd."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.sshd import Box, Sshd, free_port, keygen, proxied_reach

from callao.instances import InstancePaths
from callao.instances.status import limactl_reach
from callao.reach import Reach, from_fields
from callao.ssh import Client, read_banner, terminate


@dataclass
class Proxied:
    """An instance whose address and port lead nowhere."""

    folder: Path
    reach: Reach


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Proxied]:
    home = tmp_path / "h"
    (home / "_config").mkdir(parents=True)
    sshd = Sshd(
        tmp_path / "sshd", free_port(), keygen(home / "_config" / "user").with_suffix(".pub")
    ).start()
    reach = proxied_reach(home / "100%h of it.py", sshd.port)
    yield Proxied(Box(home, Sshd).instance("web", sshd, reach=reach), reach)
    sshd.kill()


def test_commands_go_by_the_proxy_command(proxied: Proxied) -> None:
    folder = proxied.folder
    client = Client(folder / "ssh.config", "lima-web", folder / "ssh.sock")

    async def play() -> str:
        master = await client.open_master(timeout=60.0)
        try:
            return (await client.run("echo there", timeout=60.0)).stdout
        finally:
            await terminate(master)

    assert asyncio.run(play()) == "there\n"


def test_the_banner_comes_by_the_proxy_command(proxied: Proxied) -> None:
    assert asyncio.run(read_banner(proxied.reach, 30.0)).startswith("SSH-2.0-")


@pytest.mark.parametrize(
    "words", [("false",), ("/nowhere/program",), (sys.executable, "-c", "print('x' * 9000)")]
)
def test_a_proxy_command_that_fails_has_no_banner(words: tuple[str, ...]) -> None:
    assert asyncio.run(read_banner(Reach(1, proxy_command=words), 30.0)) == ""


@pytest.mark.parametrize(
    "reach", [Reach(60022), Reach(22, "fd00::2"), Reach(22, proxy_command=("a", "b c"))]
)
def test_runtime_json_keeps_it(reach: Reach) -> None:
    assert from_fields(json.loads(json.dumps(reach.fields()))) == reach


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Host lima-x\n  Hostname 172.20.0.5\n  Port 22\n", Reach(22, "172.20.0.5")),
        ("Host lima-x\n  Port 60022\n", Reach(60022)),
        ("Host lima-x\n  Hostname 127.0.0.1\n", None),
        ("Port 99999999\n", None),
    ],
)
def test_what_lima_wrote_is_understood(tmp_path: Path, text: str, found: Reach | None) -> None:
    (tmp_path / "ssh.config").write_text(text)
    assert limactl_reach(InstancePaths(tmp_path)) == found
