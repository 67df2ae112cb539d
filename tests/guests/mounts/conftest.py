# SPDX-License-Identifier: GPL-3.0-or-later
"""One guest for each type of its lima.yaml's mounts, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.home import Home, build_golden, build_stock, temporary_home

from callao.disks.change import create
from callao.events import Event
from callao.hostagent.api.client import call
from callao.images.formats import ImageFormat
from callao.lifecycle.mounts import MountOutcome, MountRequest, ensure_mount

NASTY = "a 'b\", ü\n$HOME"
"""A directory's name with all that a shell, QEMU and mount(8) could stumble over."""

DRIVERS = ("builtin", "openssh-sftp-server", "openssh-sftp-server", "builtin", "builtin")
"""Of the SFTP servers, where the type is reverse-sshfs."""


@dataclass
class Box:
    """The guest; ``cold`` is the directory that its lima.yaml shares twice, read-only and writable."""

    home: Home
    cold: Path
    events: list[Event] = field(default_factory=list)
    """What its start told."""

    def run(self, command: str) -> str:
        """As root, in the guest; fails with the command's own words."""
        done = self.home.ssh("box", f"sudo sh -c {quoted(command)}")
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def refuses(self, command: str) -> str:
        """The words with which it failed."""
        done = self.home.ssh("box", f"sudo sh -c {quoted(command)}")
        assert done.returncode != 0, done.stdout
        return done.stderr

    def mount(self, check: bool = False, **request: Any) -> MountOutcome:
        host = self.home.host
        wanted = MountRequest(instance="box", **request)
        return ensure_mount(wanted, home=self.home.path, host=host, check=check)

    def mounts(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = call(self.home.path / "box" / "ha.sock", "GET", "/v1/mounts")
        return listed


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.fixture(scope="module")
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    """Its own ``mountType`` is the module's ``MOUNT_TYPE``; 9p's is booted, the others are warm.

    Only Debian's generic kernel has 9p, and its image has cloud-init too: so that one boot is of a guest as
    everybody else's images are. The others go on from the one that all tests share.
    """
    stock = request.module.MOUNT_TYPE == "9p"
    golden = build_stock() if stock else build_golden()
    with temporary_home(golden) as home:
        cold = home.path / "shared"
        cold.mkdir()
        (cold / "greeting").write_text("hello\n")
        (cold / "sub").mkdir()
        (cold / NASTY).mkdir()
        (cold / NASTY / "inside").write_text("nasty\n")
        mounts: list[dict[str, Any]] = [
            {"location": str(cold), "mountPoint": "/mnt/read"},
            {"location": str(cold), "mountPoint": "/mnt/write", "writable": True},
            {"location": str(cold / NASTY).replace("$", "$$"), "mountPoint": f"/mnt/{NASTY}"},
            {"location": str(cold / "sub"), "mountPoint": "/mnt/write/sub", "writable": True},
            {"location": str(home.path), "mountPoint": "/mnt/home"},
        ]
        for mount, driver in zip(mounts, DRIVERS, strict=True):
            mount["sshfs"] = {"sftpDriver": driver}
        extra = {
            **home.direct(),
            "mountType": request.module.MOUNT_TYPE,
            "mountInotify": True,
            "mounts": mounts,
        }
        if stock:  # devices are there before provision scripts run
            create("quick", home.path, size=512 * 2**20, form=ImageFormat.QCOW2)
            extra["additionalDisks"] = [{"name": "quick", "fsType": "xfs", "fsArgs": ["-m", "crc=1"]}]
            order = "echo {} >>/var/order\n"
            scripts = {
                "system": f"cat /mnt/read/greeting >/run/seen\n{order.format('system')}",
                "boot": order.format("boot"),
            }
            extra["provision"] = [
                {"mode": mode, "script": f"#!/bin/sh\n{script}"} for mode, script in scripts.items()
            ]
        box = Box(home, cold)
        home.ensure("box", extra=extra, timeout=600, warm=not stock, events=box.events)
        yield box
