# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection callao.lima.wsl: distributions whose names a shell of Windows would change."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support import programs
from support.masters import control_folder
from support.windows.host import windows_host
from support.windows.winrm import psrp_host
from support.wsl import guest, store
from support.wsl.rootfs import small
from support.wsl.store import Entry

from callao.drivers.wsl2.command_line import Shell

NAMES = ("Мой Дебиан", "a'b; $(id) & `x`", "%PATH%")
SCRIPT = "printf 'ü%s' \"$(id -u)\"; echo err >&2; echo '$(x) %PATH% \"q\" Ж'; exit 3"
SAID = 'ü0$(x) %PATH% "q" Ж'


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Each host's result; a host is a way to Windows, and a name."""
    folder = tmp_path_factory.mktemp("names")
    state = folder / "windows"
    state.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(store.STATE, str(state))
        tar = small(folder / "rootfs.tar")
        for name in NAMES:
            with tar.open("rb") as rootfs:
                guest.unpack(Entry(name, "C:\\x"), rootfs.fileno())
            store.put(Entry(name, "C:\\x"))
        try:
            with windows_host(folder / "host", state, Shell.CMD) as ssh, psrp_host(state) as psrp:
                return _results(folder, {"cmd": ssh.variables(), "psrp": psrp})
        finally:
            for entry in store.entries():
                guest.end(entry)


def _results(folder: Path, desks: dict[str, dict[str, Any]]) -> dict[str, Any]:
    boxes = {
        f"{desk} {name}": {
            "ansible_connection": "callao.lima.wsl",
            "lima_host": desk,
            "ansible_wsl_distribution": name,
        }
        for desk in desks
        for name in (*NAMES, "gone")
    }
    hosts = {"desks": {"hosts": desks}, "boxes": {"hosts": boxes}}
    task = {"ansible.builtin.raw": SCRIPT, "ignore_errors": True, "ignore_unreachable": True}
    (folder / "hosts.yml").write_text(json.dumps(hosts))
    (folder / "play.yml").write_text(
        json.dumps([{"hosts": "boxes", "gather_facts": False, "tasks": [task]}])
    )
    with control_folder() as controls:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
            **programs.settings(),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(controls),
        }
        files = [str(folder / "hosts.yml"), str(folder / "play.yml")]
        done = programs.run("ansible-playbook", "-vv", "-i", *files, environment=environment)
    found = {}
    for text in done.stdout.splitlines():
        if text.startswith(("fatal: [", "changed: [")) and " => " in text:
            name, _, result = text.partition(" => ")
            found[name.partition("[")[2].rpartition("]")[0]] = json.loads(result)
    return found


@pytest.mark.parametrize("box", [f"psrp {each}" for each in NAMES] + [f"cmd {each}" for each in NAMES[:2]])
def test_a_script_runs_in_a_distribution_of_any_name(said: dict[str, Any], box: str) -> None:
    result = said[box]
    assert (result["rc"], result["stdout"].strip(), "err" in result["stderr"]) == (3, SAID, True)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ("cmd %PATH%", "'%PATH%' cannot be a word of a command for cmd (allowed: no double quotes, percent"),
        ("cmd gone", "gone: is no distribution of that user on cmd (there are: %PATH%, "),
        (
            "psrp gone",
            "gone: There is no distribution with the supplied name. Error code: Wsl/",
        ),
    ],
)
def test_a_name_that_cannot_be_is_told(said: dict[str, Any], box: str, words: str) -> None:
    assert words in said[box]["msg"]
