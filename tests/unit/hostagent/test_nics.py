# SPDX-License-Identifier: GPL-3.0-or-later
"""An interface at the socket of another program, which ends and comes back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callao.config.schema import Network
from callao.drivers import GuestNic
from callao.errors import CallaoError
from callao.hostagent.nics import nics as module
from callao.hostagent.nics.nics import Nics
from callao.instances import InstancePaths


class Machine:
    """Takes duplicates of the sockets, as QEMU does."""

    def __init__(self) -> None:
        self.stream: socket.socket | None = None
        self.relinked = asyncio.Event()

    async def plug_nic(self, nic: GuestNic, stream: int) -> None:
        self.stream = socket.socket(fileno=socket.dup(stream))

    async def relink_nic(self, interface: str, stream: int) -> None:
        assert self.stream is not None
        self.stream.close()
        await self.plug_nic(GuestNic(interface, ""), stream)
        self.relinked.set()

    async def unplug_nic(self, interface: str) -> None:
        assert self.stream is not None
        self.stream.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "switch"))
        listening.listen()
        yield listening


def nics_of(machine: Machine, folder: Path) -> Nics:
    features = SimpleNamespace(hot_nics=True, vm_type="qemu")
    return Nics(
        cast("Any", machine), cast("Any", features), cast("Any", None), InstancePaths(folder), lambda _: None
    )


def config(path: Path) -> Any:
    network = Network(socket=str(path), interface="lima0", mac_address="52:55:55:00:00:01")
    return SimpleNamespace(networks=(network,), plain=True)


def test_an_interface_is_connected_again_when_its_program_has_gone(
    tmp_path: Path, server: socket.socket
) -> None:
    async def play() -> None:
        machine = Machine()
        nics = nics_of(machine, tmp_path)
        await nics.attach_configured(config(tmp_path / "switch"))
        first, _ = server.accept()
        first.sendall(b"unread")
        await asyncio.sleep(0)
        assert not machine.relinked.is_set()
        assert machine.stream is not None
        assert machine.stream.recv(6) == b"unread"
        first.close()
        await asyncio.wait_for(machine.relinked.wait(), 30)
        second, _ = server.accept()
        machine.stream.sendall(b"again")
        assert second.recv(5) == b"again"
        await nics.close()
        machine.stream.close()
        assert second.recv(1) == b""

    asyncio.run(play())


def test_while_nobody_listens_it_is_tried_again_and_why_is_told_once(
    tmp_path: Path, server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(module, "_RETRY_DELAY", 0.001)
    monkeypatch.setattr(module.journal, "notice", told.append)
    path = tmp_path / "switch"

    async def play() -> None:
        machine = Machine()
        nics = nics_of(machine, tmp_path)
        await nics.attach_configured(config(path))
        first, _ = server.accept()
        path.rename(tmp_path / "hidden")
        first.close()
        while len(told) < 2:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        (tmp_path / "hidden").rename(path)
        await asyncio.wait_for(machine.relinked.wait(), 30)
        await nics.close()

    asyncio.run(play())
    lost, waits = told
    assert lost == "networks: lima0: what carries the network has ended; joining again."
    assert f"networks: lima0: the socket {path} cannot be connected to" in waits


def test_one_that_the_guest_keeps_is_watched_on(tmp_path: Path, server: socket.socket) -> None:
    class Clinging(Machine):
        async def unplug_nic(self, interface: str) -> None:
            raise CallaoError("the guest keeps it")

    async def play() -> None:
        machine = Clinging()
        nics = nics_of(machine, tmp_path)
        await nics.attach_configured(config(tmp_path / "switch"))
        first, _ = server.accept()
        with pytest.raises(CallaoError):
            await nics.detach()
        first.close()
        await asyncio.wait_for(machine.relinked.wait(), 30)
        await nics.close()

    asyncio.run(play())
