# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao autostart``, and its older name."""

from __future__ import annotations

import plistlib
from pathlib import Path

import pytest
from cli.conftest import Line

from callao import system
from callao.autostart import daemon, systemd


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


def test_an_instance_is_started_at_login_until_it_is_disabled(callao: Line) -> None:
    callao.write("web")
    assert callao("autostart", "enable", "web").err == "web is started at login.\n"
    assert systemd.path("web").exists()
    assert callao("autostart", "enable", "web").err == "web is started at login already.\n"
    assert callao("autostart", "disable", "web").err == "web is started at login no more.\n"
    assert callao("autostart", "disable", "web").err == "web is not started at login.\n"


def test_the_older_name_does_the_same(callao: Line) -> None:
    callao.write("default")
    assert callao("start-at-login").err == "default is started at login.\n"
    assert callao("start-at-login", "default", "--enabled=false").err == (
        "default is started at login no more.\n"
    )


def test_one_that_is_not_there_fails_but_under_the_older_name(callao: Line) -> None:
    assert callao("autostart", "enable", "web").status == 1
    done = callao("start-at-login", "web")
    assert done.status == 0
    assert "instance 'web' does not exist" in done.err


@pytest.mark.parametrize("name", ["shop"])
def test_a_deleted_or_renamed_one_takes_its_entry_with_it(callao: Line, name: str) -> None:
    callao.write("web")
    callao("autostart", "enable", "web")
    assert callao("rename", "web", name).status == 0
    assert (systemd.path("web").exists(), systemd.path(name).exists()) == (False, True)
    assert callao("delete", name).status == 0
    assert not systemd.path(name).exists()


RECORDING_SUDO = """#!/bin/sh
echo "$@" >> "{log}"
case $1 in
install) cp "$4" "$5" ;;
rm) rm "$3" ;;
esac
[ "$2" != bootout ]
"""


@pytest.fixture
def on_macos(callao: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of what sudo is asked for; there is no launchd here."""
    monkeypatch.setattr(system, "LOGIN_MANAGER", "launchd")
    monkeypatch.setattr(daemon, "_FOLDER", tmp_path)
    callao.program("sudo", RECORDING_SUDO.format(log=tmp_path / "sudo.log"))
    callao.write("web")
    return tmp_path / "sudo.log"


def test_a_daemon_starts_it_at_boot_until_it_is_disabled(callao: Line, on_macos: Path) -> None:
    done = callao("autostart", "enable", "web", "--condition=boot", "--user", "root")
    file = daemon.path("web")
    assert done.err == f"web is started at boot, as root, by {file}.\n"
    values = plistlib.loads(file.read_bytes())
    assert values["Label"] == "io.lima-vm.daemon.web"
    assert values["UserName"] == "root"
    assert values["ProgramArguments"][-2:] == ["start", "web"]
    assert values["EnvironmentVariables"]["LIMA_HOME"] == str(callao.home)
    asked = on_macos.read_text().splitlines()
    assert asked[0] == "launchctl bootout system/io.lima-vm.daemon.web"
    assert asked[2:] == [
        "launchctl enable system/io.lima-vm.daemon.web",
        f"launchctl bootstrap system {file}",
    ]
    assert callao("autostart", "disable", "web").err == "web is started at boot no more.\n"
    assert not file.exists()


def test_a_daemon_that_cannot_be_installed_is_an_error(callao: Line, on_macos: Path) -> None:
    done = callao("autostart", "enable", "web", "--condition=boot", "--user", "no-such-user")
    assert (done.status, done.err) == (1, "callao: --user: there is no user 'no-such-user' on this host.\n")
    callao.program("sudo", "#!/bin/sh\nexit 1\n")
    done = callao("autostart", "enable", "web", "--condition=boot", "--user", "root")
    assert (done.status, "sudo install -m 644" in done.err) == (1, True)
    assert callao("autostart", "enable", "no", "--condition=boot").status == 1


def test_only_macos_starts_it_at_boot(callao: Line) -> None:
    callao.write("web")
    done = callao("autostart", "enable", "web", "--condition=boot")
    assert (done.status, "--condition=boot is only supported on macOS" in done.err) == (1, True)
