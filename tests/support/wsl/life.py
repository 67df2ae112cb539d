# SPDX-License-Identifier: GPL-3.0-or-later
"""A LIMA_HOME whose instances are distributions of the stand-in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from callao.config import dump
from callao.drivers.wsl2.carrier import save
from callao.drivers.wsl2.command_line import Shell
from callao.events import Event
from callao.host import Host
from callao.instances import instance_names
from callao.lifecycle import Outcome, Request, ensure
from callao.testing import Guest
from support.windows.host import windows_host
from support.wsl import guest, store
from support.wsl.install import install


@dataclass(frozen=True)
class WslHome:
    """``rootfs`` is the image of each instance."""

    path: Path
    rootfs: Path
    host: Host
    events: list[Event]

    def ensure(self, name: str, state: str, **request: Any) -> Outcome:
        return ensure(
            Request(name=name, state=state, **request),
            home=self.path,
            host=self.host,
            check=False,
            report=self.events.append,
        )

    def template(self, **extra: Any) -> str:
        """A template's path."""
        path = self.path / "template.yaml"
        images = [{"location": str(self.rootfs), "arch": self.host.arch}]
        user = {"name": "ana", "uid": 1234}
        document = {"vmType": "wsl2", "images": images, "user": user, "containerd": {"user": False}, **extra}
        path.write_text(dump(document))
        return str(path)

    def ssh(self, name: str, command: str) -> str:
        """What a command in the guest writes, by the instance's ssh.config alone."""
        done = Guest(name, self.path).run(command, timeout=60.0)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextmanager
def remote_home(folder: Path, rootfs: Path, patch: pytest.MonkeyPatch, shell: Shell) -> Iterator[WslHome]:
    """The same on another machine, whose shell that is."""
    with (
        windows_host(folder / "host", folder / "windows", shell) as windows,
        _home(folder, rootfs, patch) as home,
    ):
        save(home.path, windows.carrier())
        yield home


@contextmanager
def wsl_home(folder: Path, rootfs: Path, patch: pytest.MonkeyPatch) -> Iterator[WslHome]:
    """Ends with all instances deleted."""
    for key, value in install(folder / "bin", folder / "windows").items():
        patch.setenv(key, value)
    with _home(folder, rootfs, patch) as home:
        yield home


@contextmanager
def _home(folder: Path, rootfs: Path, patch: pytest.MonkeyPatch) -> Iterator[WslHome]:
    patch.setenv(store.STATE, str(folder / "windows"))
    home = WslHome(folder / "home", rootfs, Host.detect(), [])
    home.path.mkdir()
    patch.setenv("LIMA_HOME", str(home.path))
    try:
        yield home
    finally:
        for name in instance_names(home.path):
            home.ensure(name, "absent")
        for entry in store.entries():
            guest.end(entry)
        shutil.rmtree(folder / "windows", ignore_errors=True)
