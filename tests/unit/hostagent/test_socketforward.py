# SPDX-License-Identifier: GPL-3.0-or-later
"""Unix sockets across the guest's edge; the guest is a real sshd."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.sshd import Box, Sshd, free_port, keygen

from callao.config import PortForward, effective
from callao.guest_network import USER_MODE
from callao.host import Host
from callao.hostagent.ports.live_ports import LivePorts
from callao.hostagent.ports.socket_forwards import SocketForwards
from callao.ssh import Client, terminate

ODD = "it's a:b\\c %d $(touch x).sock"
"""What a shell, ssh and its configuration would each take for something else."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="s-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def client(folder: Path) -> Iterator[Client]:
    (folder / "h" / "_config").mkdir(parents=True)
    authorized = keygen(folder / "h" / "_config" / "user").with_suffix(".pub")
    sshd = Sshd(folder / "d", free_port(), authorized).start()
    instance = Box(folder / "h", Sshd).instance("web", sshd)
    try:
        yield Client(instance / "ssh.config", "lima-web", instance / "ssh.sock")
    finally:
        sshd.kill()


@contextlib.asynccontextmanager
async def forwards(
    client: Client, folder: Path, told: list[tuple[str, ...]]
) -> AsyncIterator[SocketForwards]:
    master = await client.open_master(timeout=30.0)
    try:
        yield SocketForwards(client, folder / "sock", lambda *words: told.append(words))
    finally:
        await terminate(master)


@contextlib.asynccontextmanager
async def echo(path: Path) -> AsyncIterator[None]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"here: " + await reader.readline())
        writer.close()

    server = await asyncio.start_unix_server(answer, path)
    yield
    server.close()


async def asked(path: Path) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"hi\n")
    try:
        return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["plain.sock", ODD])
def test_a_socket_has_any_name(client: Client, folder: Path, name: str, reverse: bool) -> None:
    guest, host = folder / "guest", folder / "sock"
    for each in (guest, host):
        each.mkdir()
    told: list[tuple[str, ...]] = []

    async def play() -> bytes:
        async with forwards(client, folder, told) as found, echo((host if reverse else guest) / name):
            rule = PortForward(guest_socket=str(guest / name), host_socket=name, reverse=reverse)
            await found.apply_rules([rule])
            assert [each[0] for each in told] == ["forwarding"], told
            return await asked((guest if reverse else host) / name)

    assert asyncio.run(play()) == b"here: hi\n"
    assert not Path("x").exists()


def test_a_socket_that_another_program_listens_on_is_left_to_it(client: Client, folder: Path) -> None:
    told: list[tuple[str, ...]] = []
    (folder / "sock").mkdir()
    rule = PortForward(guest_socket=str(folder / "g.sock"), host_socket="h.sock")

    async def play() -> bytes:
        async with forwards(client, folder, told) as found, echo(folder / "sock" / "h.sock"):
            await found.apply_rules([rule])
            return await asked(folder / "sock" / "h.sock")

    assert asyncio.run(play()) == b"here: hi\n"
    assert [each[0] for each in told] == ["failed"]
    assert "another program listens on" in told[0][3]


def test_one_that_an_earlier_run_left_is_replaced(client: Client, folder: Path) -> None:
    told: list[tuple[str, ...]] = []
    (folder / "sock").mkdir()
    with socket.socket(socket.AF_UNIX) as earlier:
        earlier.bind(str(folder / "sock" / "h.sock"))

    async def play() -> bytes:
        async with forwards(client, folder, told) as found, echo(folder / "g.sock"):
            await found.apply_rules([PortForward(guest_socket=str(folder / "g.sock"), host_socket="h.sock")])
            return await asked(folder / "sock" / "h.sock")

    assert asyncio.run(play()) == b"here: hi\n"


class Silent:
    """A machine whose guest has no program of ours."""

    def __init__(self, folder: Path) -> None:
        self.channel = partial(asyncio.open_unix_connection, folder / "nobody.sock")


def test_a_rule_that_comes_and_goes_while_the_machine_runs_has_its_socket(
    client: Client, folder: Path
) -> None:
    machine: Any = Silent(folder)
    config = effective({"images": [{"location": "/x"}]}, Host.detect(), name="web", instance_dir=folder)
    rule = PortForward(guest_socket=str(folder / "g.sock"), host_socket="h.sock")
    path = folder / "sock" / "h.sock"

    async def play() -> bytes:
        master = await client.open_master(timeout=30.0)
        ports = LivePorts(
            machine, client, config, ssh_port=0, network=USER_MODE, sockets=path.parent, changed=lambda: None
        )
        ports.start()
        try:
            async with echo(folder / "g.sock"):
                await ports.open()
                await ports.add(rule)
                heard = await asked(path)
                await ports.remove(rule)
                with pytest.raises(OSError, match=r"refused|No such file"):
                    await asked(path)
                return heard
        finally:
            await ports.close()
            await terminate(master)

    assert asyncio.run(play()) == b"here: hi\n"
