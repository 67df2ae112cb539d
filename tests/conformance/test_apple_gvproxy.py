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
from pathlib import Path

from support.apple.frames import Guest, plugged_in
from support.apple.install import install

from callao.drivers.apple.files import Sockets
from callao.drivers.apple.gvproxy import Gvproxy
from callao.ports import any_free
from callao.reach import Reach

MAC = "52:55:55:0a:0b:0c"


def test_a_guest_has_the_addresses_of_other_guests_and_the_host_is_where_templates_look_for_it() -> None:
    with tempfile.TemporaryDirectory(prefix="callao-", dir="/tmp") as name:
        folder = Path(name)
        own = install(folder / "bin", programs=("gvproxy",)) / "gvproxy"
        program = os.environ.get("CALLAO_TEST_GVPROXY") or str(own)
        asyncio.run(_try(program, Sockets(folder)))


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
