# SPDX-License-Identifier: GPL-3.0-or-later
"""Idle time-outs in .wslconfig: all else of the file stays, over every way to Windows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.modules import run_module
from support.windows.carriers import Way, reached
from support.wsl import forked, guest, store
from support.wsl.install import install
from support.wsl.rootfs import small

from callao.drivers.wsl2.carrier import save
from callao.drivers.wsl2.distribution import distribution_of
from callao.drivers.wsl2.idle_timeouts import Outcome, ensure_idle_timeouts
from callao.drivers.wsl2.wslconfig import INSTANCE_IDLE, VM_IDLE, with_values
from callao.errors import ConfigError, DriverError
from callao.instances import InstancePaths

BOTH = {VM_IDLE: -1, INSTANCE_IDLE: -1}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"[wsl2]\r\nvmIdleTimeout=-1\r\n"),
        (b"[wsl2]\r\nmemory=4GB\r\n", b"[wsl2]\r\nmemory=4GB\r\nvmIdleTimeout=-1\r\n"),
        (b"[wsl2]\nmemory=4GB", b"[wsl2]\nmemory=4GB\nvmIdleTimeout=-1\n"),
        (
            b"# mine\r\n[WSL2] # all\r\n VMIdleTimeout = 60000 # a minute\r\n\r\n[experimental]\r\nx=1\r\n",
            b"# mine\r\n[WSL2] # all\r\n VMIdleTimeout = -1 # a minute\r\n\r\n[experimental]\r\nx=1\r\n",
        ),
        (
            b"[wsl2]\r\nmemory=4GB\r\n\r\n[experimental]\r\nvmIdleTimeout=5\r\n",
            b"[wsl2]\r\nmemory=4GB\r\nvmIdleTimeout=-1\r\n\r\n[experimental]\r\nvmIdleTimeout=5\r\n",
        ),
        (b"[general]\nx=1\n", b"[general]\nx=1\n\n[wsl2]\nvmIdleTimeout=-1\n"),
        (b"[wsl2]\n#vmIdleTimeout=5\n", b"[wsl2]\n#vmIdleTimeout=5\nvmIdleTimeout=-1\n"),
        (b"[wsl2]\nvmIdleTimeout=\n", b"[wsl2]\nvmIdleTimeout=-1\n"),
        (b"[wsl2]\nvmIdleTimeout=1\nvmIdleTimeout=2\n", b"[wsl2]\nvmIdleTimeout=-1\nvmIdleTimeout=-1\n"),
        (
            "\ufeff[wsl2]\r\n# größer\r\n".encode(),
            "\ufeff[wsl2]\r\n# größer\r\nvmIdleTimeout=-1\r\n".encode(),
        ),
        ("\ufeff[wsl2]\r\n".encode("utf-16-le"), "\ufeff[wsl2]\r\nvmIdleTimeout=-1\r\n".encode("utf-16-le")),
    ],
)
def test_one_value_is_set_and_all_else_stays(before: bytes, after: bytes) -> None:
    assert with_values(before, {VM_IDLE: -1}) == after
    assert with_values(after, {VM_IDLE: -1}) == after


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(DriverError, match=r"\.wslconfig cannot be read: .*UTF-8"):
        with_values(b"[wsl2]\r\n\xff\xff\r\n", BOTH)


def instance(home: Path) -> None:
    paths = InstancePaths(home / "web")
    paths.dir.mkdir(parents=True)
    (paths.dir / "lima.yaml").write_text("vmType: wsl2\n")
    small(paths.disk)
    distribution_of(paths).prepare()


def profile() -> Path:
    folder = store.profile()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def assert_is_set_once_and_backed_up(home: Path) -> None:
    with pytest.raises(DriverError, match=r"no instance .*has one.*Start an instance"):
        never_idle(home)
    instance(home)
    file = profile() / ".wslconfig"
    file.write_bytes(b"[wsl2]\r\nmemory=4GB # mine\r\n")
    foretold = never_idle(home, check=True)
    assert (foretold.changed, file.read_bytes()) == (True, b"[wsl2]\r\nmemory=4GB # mine\r\n")
    assert foretold.path == "/mnt/c/Users/Ana Límã/.wslconfig"
    made = never_idle(home)
    wanted = (
        b"[wsl2]\r\nmemory=4GB # mine\r\nvmIdleTimeout=-1\r\n\r\n[general]\r\ninstanceIdleTimeout=-1\r\n"
    )
    assert (made.changed, made.shut_down, file.read_bytes()) == (True, False, wanted)
    assert (profile() / made.backup.rpartition("/")[2]).read_bytes() == b"[wsl2]\r\nmemory=4GB # mine\r\n"
    assert not never_idle(home).changed
    assert len(list(profile().iterdir())) == 2


def never_idle(home: Path, *, check: bool = False, shutdown: bool = False) -> Outcome:
    return ensure_idle_timeouts(home, vm=-1, instance=-1, shutdown=shutdown, check=check)


WAYS = [
    None,
    Way.PYPSRP,
    *(pytest.param(way, marks=pytest.mark.long) for way in Way if way is not Way.PYPSRP),
]


@pytest.fixture(params=WAYS, ids=lambda way: "interop" if way is None else way.value)
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A LIMA_HOME whose Windows is reached in each way."""
    forked.use(monkeypatch)
    path = tmp_path / "home"
    if request.param is None:
        for key, value in install(tmp_path / "bin", tmp_path / "windows").items():
            monkeypatch.setenv(key, value)
        monkeypatch.setenv(store.STATE, str(tmp_path / "windows"))
        yield path
        for entry in store.entries():
            guest.end(entry)
        return
    with reached(request.param, tmp_path, monkeypatch) as carrier:
        save(path, carrier)
        yield path


def test_it_is_set_once_and_backed_up_over_each_way(home: Path) -> None:
    assert_is_set_once_and_backed_up(home)


@pytest.mark.parametrize("home", [Way.PYPSRP], indirect=True)
def test_a_change_ends_all_distributions_only_when_that_is_asked_for(home: Path) -> None:
    instance(home)
    profile()
    distribution = distribution_of(InstancePaths(home / "web"))
    made = never_idle(home)
    assert (made.changed, made.backup) == (True, "")
    assert distribution.wsl.is_running("lima-web")
    assert not never_idle(home, shutdown=True).shut_down
    assert distribution.wsl.is_running("lima-web")
    (profile() / ".wslconfig").unlink()
    assert never_idle(home, shutdown=True).shut_down
    assert not distribution.wsl.is_running("lima-web")


def test_what_cannot_be_is_told_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"vm_idle_timeout: -2: .*allowed: -1 for never, or 0 to 2147"):
        ensure_idle_timeouts(tmp_path, vm=-2, instance=None, shutdown=False, check=False)
    with pytest.raises(DriverError, match=r"shutdown: true: .*would end the Linux that.*allowed: false"):
        ensure_idle_timeouts(tmp_path, vm=-1, instance=None, shutdown=True, check=False)


@pytest.mark.parametrize("home", [None], indirect=True)
def test_the_module_says_what_is_left_to_do(home: Path) -> None:
    instance(home)
    profile()
    task: dict[str, Any] = {"vm_idle_timeout": -1}
    said = run_module("wsl_config", task, home)
    assert (said["changed"], said["needs_shutdown"], said["backup_file"]) == (True, True, "")
    assert said["diff"]["after"] == "[wsl2]\nvmIdleTimeout=-1\n"
    again = run_module("wsl_config", task, home)
    assert (again["changed"], again["needs_shutdown"]) == (False, False)
    refused = run_module("wsl_config", {"vm_idle_timeout": -5}, home)
    assert re.search(r"vm_idle_timeout: -5", refused["msg"])
