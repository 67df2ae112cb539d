# SPDX-License-Identifier: GPL-3.0-or-later
"""Distributions on another machine: through a real sshd, whose shell is cmd or PowerShell, and by WinRM."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.windows.carriers import Way, reached
from support.windows.host import windows_host
from support.wsl import forked, store, texts
from support.wsl.rootfs import small
from support.wsl.rounds import Windows, faults_are_survived, in_memory

from callao.drivers.wsl2 import winrm
from callao.drivers.wsl2.carrier import Remote, save
from callao.drivers.wsl2.command_line import Shell
from callao.drivers.wsl2.distribution import Distribution, distribution_of
from callao.drivers.wsl2.interop import Interop
from callao.drivers.wsl2.state import MARKER, reference_of
from callao.drivers.wsl2.wsl_exe import Wsl
from callao.errors import DriverError
from callao.instances import InstancePaths

TESTS = Path(__file__).parents[2]
BY_WINRM = Remote(
    "win",
    (sys.executable, "-P", "-m", "callao.drivers.wsl2.winrm"),
    Shell.CMD,
    "C:\\callao",
    needs_login=True,
)


HANG_SECONDS = 3.0


@pytest.fixture(params=list(Way), ids=[way.value.replace(" ", "-") for way in Way])
def windows(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Remote]:
    forked.use(monkeypatch)
    with reached(request.param, tmp_path, monkeypatch) as carrier:
        yield carrier


def made(tmp_path: Path, windows: Remote) -> Distribution:
    """That of a new instance."""
    paths = InstancePaths(tmp_path / "home" / "web")
    paths.dir.mkdir(parents=True)
    small(paths.disk)
    save(paths.dir.parent, windows)
    return distribution_of(paths)


def test_a_distribution_is_made_used_exported_and_removed_there(tmp_path: Path, windows: Remote) -> None:
    distribution = made(tmp_path, windows)
    distribution.prepare()
    entry = store.find("lima-web")
    assert entry is not None
    assert entry.folder == "C:\\callao\\lima-web"
    reference = reference_of(distribution.paths.disk)
    assert reference is not None
    assert (entry.root / MARKER.lstrip("/")).read_text().strip() == reference.identifier
    assert not list((store.drive()).rglob("import-*.tar"))
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


def test_a_host_that_does_not_answer_is_told(tmp_path: Path) -> None:
    with windows_host(tmp_path / "host", tmp_path / "windows", Shell.CMD) as host:
        host.sshd.kill()
        with pytest.raises(DriverError, match=r"Connection refused.*ansible -m ansible.windows.win_ping"):
            Wsl(Interop(host.carrier())).version()


@pytest.mark.parametrize(
    ("mode", "shell", "words"),
    [
        ("missing", "powershell", r"with status 127: "),
        ("missing", "cmd", r"with status 1: "),
        ("stub", "cmd", r"is not installed.*wsl.exe --install --no-distribution"),
        ("rebooting", "powershell", r"until the system is rebooted.*restart Windows"),
        ("old", "cmd", r"Verwendung: .*This WSL is too old: update it"),
    ],
)
def test_a_wsl_that_is_not_there_is_told(
    mode: str, shell: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(store.STATE, str(tmp_path))
    monkeypatch.setenv(texts.MODE, mode)
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    program = (sys.executable, "-P", "-S", "-m", "support.windows.session", shell)
    wsl = Wsl(Interop(Remote("win", program, Shell(shell), "C:\\callao")))
    with pytest.raises(DriverError, match=words):
        wsl.version()
    if mode != "old":
        with pytest.raises(DriverError, match=words):
            wsl.names()


def test_winrm_without_a_login_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(winrm.LOGIN, raising=False)
    with pytest.raises(DriverError, match=r"WinRM: there is no login.*win_ping"):
        Wsl(Interop(BY_WINRM)).version()


@pytest.mark.parametrize(
    "login",
    [
        winrm.login(
            winrm.Client.PYWINRM,
            endpoint="http://127.0.0.1:1/wsman", transport="basic", username="a", password="b4d-w0rd",
        ),
        winrm.login(
            winrm.Client.PYPSRP,
            server="127.0.0.1", port=1, auth="basic", encryption="never", ssl=False,
            username="a", password="b4d-w0rd", reconnection_retries=0,
        ),
    ],
)  # fmt: skip
def test_an_endpoint_that_does_not_answer_is_told(login: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(winrm.LOGIN, login)
    with pytest.raises(DriverError, match=r"WinRM: .*Connection refused.*win_ping") as caught:
        Wsl(Interop(BY_WINRM)).version()
    assert "b4d-w0rd" not in str(caught.value)


@pytest.mark.once
@pytest.mark.parametrize(
    ("way", "seed", "faults"),
    [
        (Way.SSH_TO_CMD, 31, 12),
        (Way.PYPSRP, 32, 12),
        *(pytest.param(way, 33, 100, marks=pytest.mark.long) for way in Way),
    ],
    ids=str,
)
def test_no_fault_leaves_a_distribution_that_is_not_whole(
    way: Way, seed: int, faults: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLAO_WSL_HOME", "C:\\callao")
    forked.use(monkeypatch)
    with in_memory() as folder, reached(way, folder, monkeypatch) as carrier:
        windows = Windows(folder / "windows", small(folder / "rootfs.tar"), folder / "homes")
        faults_are_survived(windows, seed=seed, faults=faults, carrier=carrier, hang_seconds=HANG_SECONDS)
