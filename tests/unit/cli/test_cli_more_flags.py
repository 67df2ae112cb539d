# SPDX-License-Identifier: GPL-3.0-or-later
"""limactl's flags and verbs of which a line or two each has to be checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import Line

from callao.cli_plugins import share_folders
from callao.drivers import driver_names


@pytest.mark.parametrize("command", ["create", "start"])
def test_drivers_are_listed(callao: Line, command: str) -> None:
    done = callao(command, "--list-drivers")
    assert (done.status, done.out.split()) == (0, driver_names())


def test_a_rename_changes_what_flags_name(callao: Line) -> None:
    callao.write("web")
    done = callao("rename", "web", "api", "--cpus", "3")
    assert done.status == 0, done.err
    assert "cpus: 3" in (callao.home / "api" / "lima.yaml").read_text()


def test_a_flag_that_cannot_be_renames_nothing(callao: Line) -> None:
    callao.write("web")
    assert callao("rename", "web", "api", "--param", "A=b").status == 1
    assert callao.names() == ["web"]


def test_a_restart_applies_flags(callao: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    import callao.cli.commands.restart as module

    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(module, "ensure_instance", lambda *given, **more: seen.append(more))
    monkeypatch.setattr(module, "welcome", lambda run, name: None)
    callao.write("web")
    assert callao("restart", "web", "--cpus", "3").status == 0
    assert seen[0]["edit"]({"cpus": 1}) == {"cpus": 3}


def test_an_edit_may_be_followed_by_a_start(callao: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    import callao.cli.commands.edit as module

    states: list[str] = []
    monkeypatch.setattr(module, "ensure_instance", lambda run, name, state, **more: states.append(state))
    callao.write("web")
    assert callao("edit", "web", "--cpus", "3", "--start").status == 0
    assert states == ["present", "started"]


def test_variants_are_for_new_instances(callao: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    import callao.cli.commands.start as module

    monkeypatch.setattr(module, "ensure_instance", lambda *given, **more: True)
    monkeypatch.setattr(module, "welcome", lambda run, name: None)
    callao.write("web")
    assert (
        "--image-variant: has an effect on a new instance only"
        in callao("start", "web", "--image-variant", "minimal").err
    )


def test_template_verbs_of_limactl(callao: Line, box: Any, tmp_path: Path) -> None:
    path = str(box())
    assert callao("template", "url", "template:default").out == "template:default\n"
    assert callao("template", "yq", path, ".cpus").out == "1\n"
    assert callao("template", "yq", path, ".mountInotify").out == "false\n"
    assert callao("template", "validate", path).status == callao("validate", path).status == 0
    assert callao("template", "copy", "--verbatim", path).out == Path(path).read_text()
    assert callao("template", "copy", "--verbatim", "--fill", path).status == 1


def test_a_url_plugin_answers_template_url(callao: Line) -> None:
    callao.program("limactl-url-team", "#!/bin/sh\necho https://example.com/$1.yaml\n")
    assert callao("template", "url", "team:web").out == "https://example.com/web.yaml\n"


@pytest.mark.parametrize(("verb", "words"), [("save", "--tag"), ("del", "--tag"), ("load", "--tag")])
def test_snapshot_has_limactls_short_verbs(callao: Line, verb: str, words: str) -> None:
    callao.write("web")
    done = callao("snapshot", verb, "web")
    assert (done.status, words in done.err) == (1, True)


def test_powershell_completes(callao: Line) -> None:
    callao.write("web-1")
    script = callao("completion", "powershell").out
    assert "Register-ArgumentCompleter -Native -CommandName callao" in script
    assert "_CALLAO_COMPLETE" in script
    environment = {
        **os.environ, "_CALLAO_COMPLETE": "powershell_complete", "COMP_WORDS": "callao\nprotect\nweb",
        "COMP_INCOMPLETE": "web",
    }  # fmt: skip
    assert callao.process(env=environment).out == "plain\tweb-1\tweb-1\n"


def test_completion_under_limactls_name(callao: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["limactl"])
    script = callao("completion", "bash").out
    assert "_LIMACTL_COMPLETE=bash_complete" in script
    assert "limactl" in script


def test_plugins_find_each_other(callao: Line) -> None:
    callao.program("callao-show", "#!/bin/sh\necho $PATH\n")
    found = callao.process("show", env=dict(os.environ)).out.strip().split(os.pathsep)
    assert str(callao.home.parent / "bin") in found
    facts = json.loads(callao("info").out)
    assert facts["vmTypesEx"] == {name: {"location": "internal"} for name in facts["vmTypes"]}
    assert Path(facts["guestAgents"]["x86_64"]["location"]).is_dir()
    assert facts["sharePaths"] == [str(each) for each in share_folders() if each.is_dir()]
    assert callao("info", "--yq", ".shellEnvBlock[0]").out == "BASH*\n"


def test_a_folder_on_path_that_may_not_be_read_is_passed_over(callao: Line) -> None:
    closed = callao.home.parent / "closed"
    closed.mkdir(mode=0)
    environment = {**os.environ, "PATH": f"{closed}:{os.environ['PATH']}"}
    argv = [sys.executable, "-m", "callao.cli.main", "info", "--yq", ".hostOS"]
    if os.geteuid() == 0:
        argv = ["setpriv", "--bounding-set=-all", *argv]  # root may read every folder
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{sys.platform}\n"), done.stderr
