# SPDX-License-Identifier: GPL-3.0-or-later
"""Network interfaces of a machine that runs, by a real QEMU without a guest."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from callao.drivers import GuestNic
from callao.drivers.qemu.hotplug.nics import NicPlug
from callao.drivers.qemu.process import QemuMachine, launch
from callao.errors import DriverError
from callao.instances import InstancePaths

FRAME = b"\0\0\0\x3c" + bytes(range(60))
"""As it is in a stream, after its length."""

PORTS = ["-device", "pcie-root-port,id=hot0,chassis=1,slot=1"]
NIC = GuestNic("lima0", "52:55:55:00:00:01")


def with_machine(tmp_path: Path, play: Callable[[QemuMachine], Awaitable[None]]) -> None:
    paths = InstancePaths(tmp_path)
    argv = ["qemu-system-x86_64", "-machine", "q35", "-nodefaults", "-display", "none", "-S", *PORTS]
    monitor = [
        "-chardev",
        f"socket,id=qmp,path={paths.qmp_sock},server=on,wait=off",
        "-mon",
        "qmp,mode=control",
    ]

    async def run() -> None:
        machine = await launch([*argv, *monitor], paths, slot_count=1)
        try:
            async with asyncio.timeout(30):
                await play(machine)
        finally:
            await machine.kill()
            await machine.wait()

    asyncio.run(run())


async def plug_probe(nics: NicPlug, stream: socket.socket) -> None:
    """One more port of the interface's hub, which hears and says what the guest would."""
    nics.send_descriptor(stream.fileno())
    await nics.execute("getfd", {"fdname": "probe"})
    await nics.execute("netdev_add", {"type": "socket", "id": "probe", "fd": "probe"})
    hub = {"type": "hubport", "id": "port", "hubid": nics.attached["lima0"], "netdev": "probe"}
    await nics.execute("netdev_add", hub)
    await nics.execute("cont", {})  # a machine that stands still carries nothing


class Pair(NamedTuple):
    """``theirs`` is for QEMU."""

    ours: socket.socket
    theirs: socket.socket


@contextlib.asynccontextmanager
async def wired(machine: QemuMachine) -> AsyncIterator[tuple[socket.socket, Pair, Pair]]:
    """What speaks as the guest, the pair that the interface is at, and another one."""
    first, second, guest = (Pair(*socket.socketpair()) for _ in range(3))
    with contextlib.ExitStack() as opened:
        for each in (*first, *second, *guest):
            opened.enter_context(each)
        await machine.plug_nic(NIC, first.theirs.fileno())
        await plug_probe(machine._nics, guest.theirs)
        yield guest.ours, first, second


def test_an_interface_is_at_the_socket_that_it_was_given_last(tmp_path: Path) -> None:
    async def play(machine: QemuMachine) -> None:
        first, of_first = socket.socketpair()
        second, of_second = socket.socketpair()
        await machine.plug_nic(NIC, of_first.fileno())
        of_first.close()
        await machine.relink_nic("lima0", of_second.fileno())
        of_second.close()
        first.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(first, 1) == b""
        second.settimeout(0)
        with pytest.raises(BlockingIOError):
            second.recv(1)

    with_machine(tmp_path, play)


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_an_interface_carries_frames_of_datagrams_and_of_streams(
    tmp_path: Path, kind: socket.SocketKind
) -> None:
    frame = bytes(range(60))
    streamed = b"\0\0\0\x3c" + frame
    expected = frame if kind is socket.SOCK_DGRAM else streamed

    async def play(machine: QemuMachine) -> None:
        loop, nics = asyncio.get_running_loop(), machine._nics
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        probe, of_probe = socket.socketpair()
        with ours, theirs, probe, of_probe:
            await machine.plug_nic(NIC, theirs.fileno())
            await plug_probe(nics, of_probe)
            for each in (ours, probe):
                each.setblocking(False)
            await loop.sock_sendall(ours, expected)
            assert await loop.sock_recv(probe, 2000) == streamed
            await loop.sock_sendall(probe, streamed)
            assert await loop.sock_recv(ours, 2000) == expected

    with_machine(tmp_path, play)


def test_what_a_guest_sends_while_the_socket_is_replaced_does_not_silence_it(tmp_path: Path) -> None:
    async def play(machine: QemuMachine) -> None:
        loop, nics = asyncio.get_running_loop(), machine._nics
        async with wired(machine) as (guest, first, second):
            execute = nics.execute

            async def execute_beside_a_frame(command: str, arguments: Mapping[str, object]) -> object:
                done = await execute(command, arguments)
                guest.sendall(FRAME)
                return done

            nics.execute = execute_beside_a_frame
            for each in (second, first, second):
                await machine.relink_nic("lima0", each.theirs.fileno())
            last = b"\0\0\0\x3c" + bytes(60)
            guest.sendall(last)
            second.ours.setblocking(False)
            heard = b""
            while not heard.endswith(last):
                heard += await loop.sock_recv(second.ours, 1 << 16)

    with_machine(tmp_path, play)


def test_a_guest_whose_socket_was_full_when_its_other_end_went_is_heard_at_the_next(tmp_path: Path) -> None:
    async def play(machine: QemuMachine) -> None:
        loop = asyncio.get_running_loop()
        async with wired(machine) as (guest, first, second):
            first.theirs.close()
            for each in (guest, second.ours):
                each.setblocking(False)
            with contextlib.suppress(TimeoutError):
                while True:
                    await asyncio.wait_for(loop.sock_sendall(guest, 100 * FRAME), 0.5)
            first.ours.close()
            await machine.relink_nic("lima0", second.theirs.fileno())
            assert len(await loop.sock_recv(second.ours, 1 << 16)) > 0

    with_machine(tmp_path, play)


def test_one_that_cannot_come_leaves_its_slot_free(tmp_path: Path) -> None:
    async def play(machine: QemuMachine) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with pytest.raises(DriverError, match="mac"):
                await machine.plug_nic(GuestNic("lima0", "nonsense"), theirs.fileno())
            await machine.plug_nic(NIC, theirs.fileno())
            with pytest.raises(DriverError, match=r"networks: lima1: all slots .* are taken"):
                await machine.plug_nic(GuestNic("lima1", "52:55:55:00:00:02"), theirs.fileno())

    with_machine(tmp_path, play)
