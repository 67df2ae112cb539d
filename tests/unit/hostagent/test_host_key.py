# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest whose host key is another: for as long as its first boot lasts, and after; against a real sshd."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sshd import Box, Sshd, free_port, keygen

from callao.drivers.qemu.driver import QemuDriver
from callao.errors import StageFailed
from callao.hostagent.boot.readiness import log_in_to_restored
from callao.instances import InstancePaths
from callao.reach import Reach
from callao.ssh import Client, terminate


@pytest.fixture
def paths() -> Iterator[tuple[InstancePaths, Sshd]]:
    with tempfile.TemporaryDirectory(prefix="k-", dir="/tmp") as folder:
        home = Path(folder)
        (home / "_config").mkdir()
        identity = keygen(home / "_config" / "user")
        sshd = Sshd(home / "sshd", free_port(), Path(f"{identity}.pub")).start()
        box = Box(home, lambda: sshd)
        paths = InstancePaths(box.instance("web", sshd))
        for key in (paths.host_key, paths.host_key_pub):
            key.touch()
        yield paths, sshd
        sshd.kill()


def login(paths: InstancePaths, port: int, *, heal: str = "") -> None:
    """:param heal: what known_hosts is to say after a while, as a first boot that sets our key."""

    async def play() -> None:
        client = Client(paths.ssh_config, "lima-web", paths.ssh_sock)
        waiting = asyncio.ensure_future(
            log_in_to_restored(paths, QemuDriver(), client, Reach(port), time.monotonic() + 60)
        )
        if heal:
            await asyncio.sleep(1.5)
            assert not waiting.done()
            paths.known_hosts.write_text(heal)
        await terminate(await waiting)

    asyncio.run(play())


def another(paths: InstancePaths) -> str:
    """A wrong key in known_hosts; returns what was there."""
    right = paths.known_hosts.read_text()
    kind, key = Path(f"{keygen(paths.dir / 'other')}.pub").read_text().split()[:2]
    paths.known_hosts.write_text(f"lima-web {kind} {key}\n")
    return right


def test_a_wrong_key_is_waited_for_while_the_guest_boots(paths: tuple[InstancePaths, Sshd]) -> None:
    instance, sshd = paths
    instance.serial_log.write_text("Cloud-init v. 22.4.2 running 'init' at Sat, 28 Nov 2026\n")
    login(instance, sshd.port, heal=another(instance))
    assert instance.host_key.exists()


def test_a_wrong_key_after_that_names_what_heals_it(paths: tuple[InstancePaths, Sshd]) -> None:
    instance, sshd = paths
    instance.serial_log.write_text("Cloud-init v. 22.4.2 finished at Sat, 28 Nov 2026. Up 20.01 seconds\n")
    another(instance)
    with pytest.raises(StageFailed) as error:
        login(instance, sshd.port)
    assert "has another host key" in str(error.value)
    assert "callao restart web" in str(error.value)
    assert "REMOTE HOST" not in str(error.value)
    assert not instance.host_key.exists()  # the next start makes one, and the guest sets it
