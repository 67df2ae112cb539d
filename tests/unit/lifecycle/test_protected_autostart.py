# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances protected, started at login and renamed by a request, and what check mode says of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callao import autostart
from callao.config import dump
from callao.errors import InstanceError, InstanceProtected
from callao.events import silent
from callao.host import Host
from callao.instances import inspect
from callao.lifecycle import Outcome, Request, ensure
from callao.lifecycle.rename import rename

HOST = Host.detect()
DOCUMENT = {
    "images": [{"location": "/img.qcow2"}],
    "vmType": "qemu", "arch": HOST.arch, "cpus": 2, "memory": "1GiB", "disk": "3GiB",
}  # fmt: skip


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Right under /tmp, for its sockets have short names; its user has no entries yet."""
    folder = Path(tempfile.mkdtemp(prefix="m-", dir="/tmp"))
    monkeypatch.setenv("HOME", str(folder / "user"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    made(folder, "web")
    yield folder
    shutil.rmtree(folder)


def made(home: Path, name: str) -> Path:
    folder = home / name
    folder.mkdir()
    (folder / "lima.yaml").write_text(dump(DOCUMENT))
    return folder


def asked(home: Path, name: str = "web", *, check: bool = False, **request: Any) -> Outcome:
    wanted = Request(name=name, **{"state": "present", **request})
    return ensure(wanted, home=home, host=HOST, check=check, report=silent)


@pytest.mark.parametrize("key", ["protected", "autostart"])
def test_a_mark_is_set_and_taken_away_once_and_check_mode_says_so(home: Path, key: str) -> None:
    for value in (True, False):
        foretold = asked(home, check=True, **{key: value})
        assert foretold.changed
        done = asked(home, **{key: value})
        assert (done.actions, done.before, done.after) == (foretold.actions, foretold.before, foretold.after)
        assert done.before is not None
        assert done.after is not None
        assert (done.before[key], done.after[key]) == (not value, value)
        assert done.instance is not None
        assert done.instance[key] is value
        assert not asked(home, **{key: value}).changed
    assert not asked(home).changed


def test_a_protected_one_is_only_deleted_where_the_request_says_so(home: Path) -> None:
    asked(home, protected=True)
    with pytest.raises(InstanceProtected):
        asked(home, state="absent")
    with pytest.raises(InstanceProtected, match="contradicts"):
        asked(home, state="absent", protected=True)
    assert asked(home, state="absent", protected=False).changed
    assert not (home / "web").exists()


def test_a_deleted_one_is_not_started_at_login_any_more(home: Path) -> None:
    asked(home, autostart=True)
    asked(home, state="absent")
    assert not autostart.is_enabled("web", home)


def test_one_that_is_made_anew_is_still_started_at_login(home: Path) -> None:
    asked(home, autostart=True)
    assert asked(home, check=True, recreate=True, config=DOCUMENT).actions == (
        "delete", "create", "autostart",
    )  # fmt: skip


def test_a_renamed_instance_is_the_same_and_the_request_is_met_once(home: Path) -> None:
    asked(home, autostart=True)
    (home / "web" / "disk").write_bytes(b"a disk")
    request: dict[str, Any] = {"renamed_from": "web", "config": {"cpus": 3}}
    foretold = asked(home, "shop", check=True, **request)
    assert (home / "web").exists()
    done = asked(home, "shop", **request)
    assert done.actions == foretold.actions == ("rename", "configure")
    assert (done.before, done.after) == (foretold.before, foretold.after)
    assert done.before is not None
    assert done.after is not None
    assert [(side["name"], side["cpus"]) for side in (done.before, done.after)] == [("web", 2), ("shop", 3)]
    assert (home / "shop" / "disk").read_bytes() == b"a disk"
    assert not (home / "web").exists()
    assert autostart.is_enabled("shop", home)
    assert not autostart.is_enabled("web", home)
    assert not asked(home, "shop", **request).changed


def test_a_rename_alone_is_a_change_of_the_name(home: Path) -> None:
    done = asked(home, "shop", renamed_from="web")
    assert done.actions == ("rename",)
    assert {key for key in done.before or {} if (done.before or {})[key] != (done.after or {})[key]} == {
        "name"
    }
    assert done.instance is not None
    assert done.instance["name"] == "shop"


def test_two_that_exist_both_cannot_become_one(home: Path) -> None:
    made(home, "shop")
    with pytest.raises(InstanceError, match="exist both"):
        asked(home, "shop", renamed_from="web")


def test_a_name_that_is_gone_changes_nothing(home: Path) -> None:
    assert not asked(home, renamed_from="older").changed
    assert not asked(home, "shop", renamed_from="older", state="stopped").changed


@pytest.mark.parametrize("check", [True, False])
def test_a_protected_one_keeps_its_name(home: Path, *, check: bool) -> None:
    asked(home, protected=True)
    with pytest.raises(InstanceProtected, match="keeps its name"):
        asked(home, "shop", renamed_from="web", check=check)


def test_a_protected_one_is_renamed_by_a_request_that_ends_the_protection(home: Path) -> None:
    asked(home, protected=True)
    foretold = asked(home, "shop", renamed_from="web", protected=False, check=True)
    done = asked(home, "shop", renamed_from="web", protected=False)
    assert done.actions == foretold.actions == ("rename", "unprotect")
    assert (done.before, done.after) == (foretold.before, foretold.after)
    assert not inspect("shop", home, HOST).protected


def test_nothing_is_renamed_where_the_rest_of_the_request_cannot_be_met(home: Path) -> None:
    with pytest.raises(InstanceError, match="cannot shrink"):
        asked(home, "shop", renamed_from="web", config={"disk": "1GiB"})
    assert inspect("web", home, HOST).name == "web"


def test_the_command_line_renames_what_is_started_at_login_too(home: Path) -> None:
    asked(home, autostart=True)
    rename(inspect("web", home, HOST), "shop", home=home)
    assert autostart.is_enabled("shop", home)
