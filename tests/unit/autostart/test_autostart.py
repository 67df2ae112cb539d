# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of systemd's user manager and of launchd, read by those tools' own rules."""

from __future__ import annotations

import os
import plistlib
import subprocess
import sys
from pathlib import Path

import pytest

from callao import autostart, system
from callao.autostart import launchd, systemd
from callao.errors import CallaoError

ODD = 'o%dd "ho\\me" $HOME'


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user of the test's own, whose systemd does not run."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return tmp_path


def made(home: Path, name: str = "web") -> Path:
    folder = home / name
    folder.mkdir(parents=True)
    (folder / "lima.yaml").write_text("{}\n")
    return home


def written_by_limactl(user: Path, *, enabled: bool = True) -> None:
    path = systemd.path("web")
    path.parent.mkdir(parents=True)
    path.write_text(
        "[Service]\nExecStart=/bin/true start %i --foreground\nWorkingDirectory=%h\nType=simple\n"
    )
    if enabled:
        systemd.wanted_by("web").parent.mkdir()
        systemd.wanted_by("web").symlink_to(path)


def test_the_unit_has_limas_name_below_the_users_configuration(
    user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert systemd.path("web") == user / ".config/systemd/user/lima-vm@web.service"
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/xdg-of-ana")
    assert systemd.path("web") == Path("/etc/xdg-of-ana/systemd/user/lima-vm@web.service")


def test_an_instance_is_registered_once_and_no_more(user: Path) -> None:
    home = made(user / ".lima")
    assert not autostart.is_enabled("web", home)
    autostart.enable("web", home)
    autostart.enable("web", home)
    assert autostart.is_enabled("web", home)
    assert systemd.wanted_by("web").resolve() == systemd.path("web")
    assert autostart.disable("web", home)
    assert not autostart.disable("web", home)
    assert not autostart.is_enabled("web", home)
    assert not systemd.path("web").exists()
    assert not systemd.wanted_by("web").is_symlink()


@pytest.mark.parametrize("name", [".lima", ODD])
def test_systemd_takes_the_unit_and_reads_the_home_in_it(user: Path, name: str) -> None:
    home = made(user / name)
    autostart.enable("web", home)
    argv = ["systemd-analyze", "verify", "--user", "--man=no", str(systemd.path("web"))]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(user)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert autostart.is_enabled("web", home)
    text = systemd.path("web").read_text()
    for word in ("start", "stop"):
        assert f'Exec{word.title()}="{sys.executable}" "-P" "-m" "callao.cli.main" "{word}" "web"' in text


@pytest.mark.parametrize("name", [".lima", ODD])
def test_the_property_list_says_what_launchd_is_to_run(user: Path, name: str) -> None:
    home = user / name
    text = launchd.render("web", home)
    values = plistlib.loads(text.encode())
    assert values["Label"] == "io.lima-vm.autostart.web"
    assert values["ProgramArguments"] == [sys.executable, "-P", "-m", "callao.cli.main", "start", "web"]
    assert values["EnvironmentVariables"]["LIMA_HOME"] == str(home)
    assert values["WorkingDirectory"] == str(home / "web")
    assert values["RunAtLoad"] is True
    assert values["AbandonProcessGroup"] is True  # the host agent outlives the command
    path = launchd.path("web")
    assert path == user / "Library/LaunchAgents/io.lima-vm.autostart.web.plist"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    entry = launchd.read("web")
    assert entry is not None
    assert entry.starts("web", home)


@pytest.fixture
def launchctl(user: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This host has launchd, by a launchctl that writes down what it is told; returns the program."""
    monkeypatch.setattr(system, "LOGIN_MANAGER", "launchd")
    program = user / "bin" / "launchctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >>{user}/told\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return program


@pytest.mark.usefixtures("launchctl")
def test_launchd_is_told_of_an_instance_and_of_its_end(user: Path) -> None:
    home = made(user / ".lima")
    autostart.enable("web", home)
    assert autostart.is_enabled("web", home)
    assert autostart.disable("web", home)
    assert not autostart.is_enabled("web", home)
    assert not launchd.path("web").exists()
    label = f"gui/{os.getuid()}/io.lima-vm.autostart.web"
    assert (user / "told").read_text() == f"enable {label}\ndisable {label}\n"


def test_an_instance_that_launchctl_refuses_is_not_started_at_login(user: Path, launchctl: Path) -> None:
    launchctl.write_text("#!/bin/sh\necho Could not find domain >&2\nexit 125\n")
    home = made(user / ".lima")
    with pytest.raises(CallaoError, match=r"autostart: launchctl enable .*: Could not find domain"):
        autostart.enable("web", home)
    assert not autostart.is_enabled("web", home)


def test_limactls_own_property_list_is_understood(user: Path) -> None:
    path = launchd.path("web")
    path.parent.mkdir(parents=True)
    theirs = {
        "ProgramArguments": ["/bin/true", "start", "web", "--foreground"],
        "WorkingDirectory": str(user / "boxes" / "web"),
    }
    path.write_bytes(plistlib.dumps(theirs))
    entry = launchd.read("web")
    assert entry is not None
    assert entry.starts("web", user / "boxes")
    assert not entry.starts("web", user / ".lima")


@pytest.mark.parametrize("content", [b"", b"<plist>", b"\xff\xfe", b"<plist><array/></plist>"])
def test_a_property_list_that_is_none_starts_nothing(user: Path, content: bytes) -> None:
    path = launchd.path("web")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert launchd.read("web") is None


def test_an_entry_of_limactl_counts_and_is_removed_as_ours_is(user: Path) -> None:
    home = made(user / ".lima")
    written_by_limactl(user)
    assert autostart.is_enabled("web", home)
    assert autostart.disable("web", home)
    assert not systemd.path("web").exists()


def test_a_unit_that_is_not_enabled_starts_nothing(user: Path) -> None:
    written_by_limactl(user, enabled=False)
    assert not autostart.is_enabled("web", made(user / ".lima"))


def test_an_entry_whose_program_is_gone_is_written_anew(user: Path) -> None:
    home = made(user / ".lima")
    autostart.enable("web", home)
    unit = systemd.path("web")
    unit.write_text(unit.read_text().replace(sys.executable, "/gone/python"))
    assert not autostart.is_enabled("web", home)
    autostart.enable("web", home)
    assert autostart.is_enabled("web", home)


def test_another_homes_instance_of_the_name_is_not_replaced(user: Path) -> None:
    first, second = made(user / "one"), made(user / "two")
    autostart.enable("web", first)
    assert not autostart.is_enabled("web", second)
    assert not autostart.disable("web", second)
    with pytest.raises(CallaoError, match="starts the instance 'web' of"):
        autostart.enable("web", second)
    (first / "web" / "lima.yaml").unlink()  # what is gone holds the name for nobody
    autostart.enable("web", second)
    assert autostart.is_enabled("web", second)


def test_a_home_that_no_manager_could_read_is_refused(user: Path) -> None:
    with pytest.raises(CallaoError, match="no LIMA_HOME that a login's manager can be told"):
        autostart.enable("web", user / "a\nExecStart=b")


def test_a_user_without_a_home_has_no_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise CallaoError("nothing says where it is.")

    monkeypatch.setattr(systemd, "home_folder", nowhere)
    assert not autostart.is_enabled("web", Path("/lima"))
    assert not autostart.disable("web", Path("/lima"))
    with pytest.raises(CallaoError, match="nothing says"):
        autostart.enable("web", Path("/lima"))


def test_without_systemd_it_says_so(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(user))
    with pytest.raises(CallaoError, match="neither systemd nor launchd"):
        autostart.enable("web", user / ".lima")
