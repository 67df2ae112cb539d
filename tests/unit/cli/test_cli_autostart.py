# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao autostart``, and its older name."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.conftest import Line

from callao.autostart import systemd


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


def test_at_boot_is_no_condition_of_ours(callao: Line) -> None:
    callao.write("web")
    done = callao("autostart", "enable", "web", "--condition", "boot")
    assert done.status == 1
    assert "'boot' is not 'login'" in done.err


@pytest.mark.parametrize("name", ["shop"])
def test_a_deleted_or_renamed_one_takes_its_entry_with_it(callao: Line, name: str) -> None:
    callao.write("web")
    callao("autostart", "enable", "web")
    assert callao("rename", "web", name).status == 0
    assert (systemd.path("web").exists(), systemd.path(name).exists()) == (False, True)
    assert callao("delete", name).status == 0
    assert not systemd.path(name).exists()
