# SPDX-License-Identifier: GPL-3.0-or-later
"""Distributions on another machine, through a real sshd: its shell is cmd, or PowerShell."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.windows.host import WindowsHost, windows_host
from support.wsl import guest, store
from support.wsl.rootfs import small

from callao.drivers.wsl2 import winrm
from callao.drivers.wsl2.carrier import Remote, save
from callao.drivers.wsl2.command_line import Shell
from callao.drivers.wsl2.distribution import Distribution, distribution_of
from callao.drivers.wsl2.interop import Interop
from callao.drivers.wsl2.state import MARKER, reference_of
from callao.drivers.wsl2.wsl_exe import Wsl
from callao.errors import DriverError
from callao.instances import InstancePaths


@pytest.fixture(params=list(Shell))
def windows(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WindowsHost]:
    state = tmp_path / "windows"
    monkeypatch.setenv(store.STATE, str(state))
    with windows_host(tmp_path / "host", state, request.param) as host:
        yield host
        for entry in store.entries():
            guest.end(entry)


def made(tmp_path: Path, windows: WindowsHost) -> Distribution:
    """That of a new instance."""
    paths = InstancePaths(tmp_path / "home" / "web")
    paths.dir.mkdir(parents=True)
    small(paths.disk)
    save(paths.dir.parent, windows.carrier())
    return distribution_of(paths)


def test_a_distribution_is_made_used_exported_and_removed_there(
    tmp_path: Path, windows: WindowsHost
) -> None:
    distribution = made(tmp_path, windows)
    distribution.prepare()
    entry = store.find("lima-web")
    assert entry is not None
    assert entry.folder == "C:\\callao\\lima-web"
    reference = reference_of(distribution.paths.disk)
    assert reference is not None
    assert (entry.root / MARKER.lstrip("/")).read_text().strip() == reference.identifier
    assert not list((store.drive()).rglob("*.tar"))
    _has_bytes_and_status_passed_on(distribution)
    (entry.root / "bytes").write_bytes(random.Random(21).randbytes(300_000))
    distribution.export(tmp_path / "out.tar")
    assert (tmp_path / "out.tar").stat().st_size > 300_000
    distribution.release()
    assert store.entries() == []


def _has_bytes_and_status_passed_on(distribution: Distribution) -> None:
    data = bytes(range(256)) * 1500
    answer = distribution.wsl.execute("lima-web", ["/bin/sh", "-c", "cat"], data)
    assert answer.stdout == data
    with pytest.raises(DriverError, match=r"failed with status 7: ü"):
        distribution.wsl.execute("lima-web", ["/bin/sh", "-c", "printf ü; exit 7"])


def test_a_host_that_does_not_answer_is_told(tmp_path: Path, windows: WindowsHost) -> None:
    carrier = windows.carrier()
    windows.sshd.kill()
    with pytest.raises(DriverError, match=r"Connection refused.*ansible -m ansible.windows.win_ping"):
        Wsl(Interop(carrier)).version()


def test_winrm_without_a_login_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(winrm.LOGIN, raising=False)
    program = (sys.executable, "-P", "-m", "callao.drivers.wsl2.winrm")
    carrier = Remote("win", program, Shell.CMD, "C:\\callao", needs_login=True)
    with pytest.raises(DriverError, match=r"WinRM: there is no login.*win_ping"):
        Wsl(Interop(carrier)).version()
    monkeypatch.setenv(
        winrm.LOGIN, winrm.login("http://127.0.0.1:1/wsman", "basic", username="a", password="b")
    )
    with pytest.raises(DriverError, match=r"WinRM: .*Connection refused.*win_ping") as caught:
        Wsl(Interop(carrier)).version()
    assert "password" not in str(caught.value)
