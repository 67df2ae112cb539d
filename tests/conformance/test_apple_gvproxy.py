# SPDX-License-Identifier: GPL-3.0-or-later
"""The network that gvproxy makes of our configuration, seen by a guest's frames.

The stand-in's, or with ``CALLAO_TEST_GVPROXY=/path/to/gvproxy`` the program's own
(``go install github.com/containers/gvisor-tap-vsock/cmd/gvproxy@v0.8.9``).
"""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.apple.frames import Guest, plugged_in
from support.apple.install import install

from callao.drivers.apple.files import Sockets
from callao.drivers.apple.gvproxy import Gvproxy
from callao.errors import PortTaken
from callao.ports import any_free
from callao.reach import Reach

MAC = "52:55:55:0a:0b:0c"


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    with tempfile.TemporaryDirectory(prefix="callao-", dir="/tmp") as name:
        yield Sockets(Path(name))


@pytest.fixture
def program(sockets: Sockets) -> str:
    own = install(sockets.folder / "bin", programs=("gvproxy",)) / "gvproxy"
    return os.environ.get("CALLAO_TEST_GVPROXY") or str(own)


def test_a_guest_has_the_addresses_of_other_guests_and_the_host_is_where_templates_look_for_it(
    program: str, sockets: Sockets
) -> None:
    asyncio.run(_try(program, sockets))


def test_a_port_that_somebody_has_taken_meanwhile_is_told_as_such(program: str, sockets: Sockets) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        reach = Reach(taken.getsockname()[1])
        with pytest.raises(PortTaken, match=r"ssh\.localPort.*address already in use"):
            asyncio.run(Gvproxy.start(program, sockets, MAC, reach, sockets.folder / "gvproxy.log"))


async def _try(program: str, sockets: Sockets) -> None:
    port = any_free()
    network = await Gvproxy.start(program, sockets, MAC, Reach(port), sockets.folder / "gvproxy.log")
    try:
        with plugged_in(sockets.switch, MAC) as guest:
            await asyncio.to_thread(_look_around, guest, port)
    finally:
        await network.end()


def _look_around(guest: Guest, port: int) -> None:
    address, _, name_server = guest.lease()
    assert (address, name_server) == ("192.168.5.15", "192.168.5.3")
    assert len(guest.resolve("192.168.5.2")) == 6
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert guest.call("192.168.5.2", server.getsockname()[1])
    with socket.socket() as client:
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))
        assert guest.called() == ("192.168.5.15", 22)
