# SPDX-License-Identifier: GPL-3.0-or-later
"""Real QEMU processes with nothing to boot: monitor, forwards, life and death."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from callao.drivers import Forward
from callao.drivers.qemu.devices import Monitor, UserNetwork
from callao.drivers.qemu.disks import qcow2
from callao.drivers.qemu.process import launch
from callao.errors import DriverError, PortTaken
from callao.guest_network import USER_MODE
from callao.instances import InstancePaths
from callao.instances.process_identity import identify, wait_gone
from callao.ports import any_free, is_free

QEMU = shutil.which("qemu-system-x86_64") or "qemu-system-x86_64"


@pytest.fixture
def paths() -> Iterator[InstancePaths]:
    with tempfile.TemporaryDirectory(prefix="q-", dir="/tmp") as folder:
        yield InstancePaths(Path(folder))


def bare(paths: InstancePaths, *forwards: Forward) -> list[str]:
    argv = [QEMU, "-machine", "q35", "-accel", "tcg", "-m", "64", "-nodefaults", "-display", "none", "-S"]
    return [
        *argv,
        *UserNetwork(USER_MODE, "52:55:55:00:00:01", forwards).argv(),
        *Monitor(paths.qmp_sock).argv(),
    ]


def tcp(port: int) -> Forward:
    return Forward("tcp", "127.0.0.1", port, 80)


def test_forwards_come_and_go_while_it_runs(paths: InstancePaths) -> None:
    async def play() -> None:
        port = any_free()
        machine = await launch(bare(paths), paths)
        try:
            await machine.add_forward(tcp(port))
            assert not is_free("tcp", "127.0.0.1", port)
            with pytest.raises(PortTaken, match=str(port)):
                await machine.add_forward(tcp(port))
            await machine.remove_forward(tcp(port))
            assert is_free("tcp", "127.0.0.1", port)
            await machine.remove_forward(tcp(port))
        finally:
            await machine.quit()
        assert await machine.wait() == 0
        with pytest.raises(DriverError, match="monitor refuses"):
            await machine.power_button()

    asyncio.run(play())


def test_a_taken_port_is_named_at_the_start(paths: InstancePaths) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            asyncio.run(launch(bare(paths, tcp(port)), paths))
    assert caught.value.port == port
    assert not paths.driver_pid("qemu").exists()


def test_qemus_own_words_come_with_a_failed_start(paths: InstancePaths) -> None:
    with pytest.raises(DriverError, match="no-such-device"):
        asyncio.run(launch([*bare(paths), "-device", "no-such-device"], paths))


def test_kill_returns_when_it_is_gone(paths: InstancePaths) -> None:
    async def play() -> int:
        machine = await launch(bare(paths), paths)
        await machine.kill()
        return await machine.wait()

    assert asyncio.run(play()) == -signal.SIGKILL


PARENT = """
import asyncio, sys
from pathlib import Path
from callao.drivers.qemu.process import launch
from callao.instances import InstancePaths
async def main():
    machine = await launch(sys.argv[2:], InstancePaths(Path(sys.argv[1])))
    print(machine.pid, flush=True)
    await machine.wait()
asyncio.run(main())
"""


def test_it_dies_with_its_parent_however_that_ends(paths: InstancePaths) -> None:
    argv = [sys.executable, "-c", PARENT, str(paths.dir), *bare(paths)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        machine = identify(int(parent.stdout.readline()))
        assert os.getsid(machine.pid) == machine.pid
        parent.kill()
    assert wait_gone(machine, 10.0)


def test_an_overlay_is_as_large_as_asked_and_never_smaller_than_its_base(tmp_path: Path) -> None:
    base, overlay = tmp_path / "base.qcow2", tmp_path / "disk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "2M"], check=True)
    qcow2.create_overlay(overlay, base, 1 << 20)
    assert qcow2.virtual_size(overlay) == 2 << 20
    qcow2.enlarge(overlay, 8 << 20)
    assert qcow2.virtual_size(overlay) == 8 << 20
    qcow2.enlarge(overlay, 4 << 20)
    assert qcow2.virtual_size(overlay) == 8 << 20


def test_a_disk_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "disk").write_text("nothing")
    with pytest.raises(DriverError, match=r"no qcow2.*recreate"):
        qcow2.virtual_size(tmp_path / "disk")
    with pytest.raises(DriverError, match="cannot be read"):
        qcow2.virtual_size(tmp_path / "missing")
