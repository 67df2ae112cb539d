# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance of vmType wsl2, from its creation to its removal, on the stand-in for wsl.exe.

Its guest is a real Debian with sshd and sudo, in namespaces; there is no Windows and no WSL.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.home import CACHE
from support.wsl import store
from support.wsl.life import WslHome, remote_home, wsl_home
from support.wsl.rootfs import debian

from callao.drivers.wsl2.command_line import Shell
from callao.drivers.wsl2.interop import Interop
from callao.drivers.wsl2.wsl_exe import Wsl
from callao.errors import StageFailed
from callao.instances import Status, inspect
from callao.lifecycle.clone import clone
from callao.lifecycle.snapshots import operations

ONCE = (
    "sudo -n sha256sum /etc/passwd /etc/shadow /etc/sudoers.d/* /etc/hosts /etc/wsl.conf "
    "/etc/ssh/ssh_host_* ~/.ssh/authorized_keys"
)
"""What the first boot makes, and no later one adds to."""


def test_a_whole_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provision = [{"mode": "system", "script": "#!/bin/sh\necho ran >>/root/runs"}]
    with wsl_home(tmp_path, debian(CACHE), monkeypatch) as home:
        template = home.template(provision=provision)
        assert home.ensure("web", "started", template=template).changed
        assert not home.ensure("web", "started", template=template).changed
        assert home.ssh("web", "id -un; id -u; hostname; sudo -n id -u").split() == [
            "ana",
            "1234",
            "lima-web",
            "0",
        ]
        made = home.ssh("web", ONCE)
        home.ssh("web", "touch kept; sync")
        home.ensure("web", "stopped")
        assert not Wsl(Interop()).running()
        _is_cloned(home)
        _returns_to_a_snapshot(home)
        home.ensure("web", "started")
        assert home.ssh("web", "ls; sudo -n cat /root/runs").split() == ["kept", "ran", "ran"]
        assert home.ssh("web", ONCE) == made
        _ends_with_its_distribution(home)
        home.ensure("web", "absent")
        assert [each.name for each in store.entries()] == ["lima-copy"]


@pytest.mark.long
@pytest.mark.parametrize("shell", list(Shell))
def test_a_life_on_another_machine(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over ssh, in whose command line the shell there has to find wsl.exe's."""
    with remote_home(tmp_path, debian(CACHE), monkeypatch, shell) as home:
        template = home.template()
        assert home.ensure("web", "started", template=template).changed
        assert not home.ensure("web", "started", template=template).changed
        assert home.ssh("web", "hostname; sudo -n id -u").split() == ["lima-web", "0"]
        home.ssh("web", "head -c 300000 /dev/zero >kept")
        home.ensure("web", "stopped")
        entry = store.find("lima-web")
        assert entry is not None
        assert not entry.runs()
        assert (entry.root / "home/ana.guest/kept").stat().st_size == 300_000
        home.ensure("web", "absent")
        assert store.entries() == []


def _is_cloned(home: WslHome) -> None:
    source = inspect("web", home.path, home.host)
    clone(source, "copy", source.document, home=home.path, host=home.host, report=home.events.append)
    home.ensure("copy", "started")
    assert home.ssh("copy", "hostname; ls").split() == ["lima-copy", "kept"]
    keys = [(home.path / name / "ssh_host_ed25519_key.pub").read_text() for name in ("web", "copy")]
    assert keys[0] != keys[1]
    home.ensure("copy", "stopped")


def _returns_to_a_snapshot(home: WslHome) -> None:
    on = {"home": home.path, "host": home.host, "timeout": 60.0, "report": home.events.append}
    operations.take("web", "one", **on)
    entry = store.find("lima-web")
    assert entry is not None
    (entry.root / "home/ana.guest/lost").touch()
    operations.apply("web", "one", **on)


def _ends_with_its_distribution(home: WslHome) -> None:
    """Another program of Windows terminates it."""
    Wsl(Interop()).terminate("lima-web")
    deadline = time.monotonic() + 60
    while inspect("web", home.path, home.host).status is not Status.STOPPED:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_image_without_sshd_is_told_with_what_the_guest_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.wsl.rootfs import small

    with wsl_home(tmp_path, small(tmp_path / "small.tar"), monkeypatch) as home:
        with pytest.raises(
            StageFailed, match="this image has no sshd: it must have the package openssh-server"
        ):
            home.ensure("web", "started", template=home.template())
        assert not Wsl(Interop()).running()
