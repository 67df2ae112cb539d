# SPDX-License-Identifier: GPL-3.0-or-later
"""``shell --sync`` with a stand-in for ssh that runs the guest's side in a folder of the host."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from cli.conftest import Done, Line

from callao.cli.synced import Changes, counted

SSH = """#!/bin/bash
# ssh -F CONFIG [-t] ALIAS [--] COMMAND...: the guest's home is a folder
while [[ $1 == -* ]]; do case $1 in -F|-o|-l) shift 2;; *) shift;; esac; done
shift
[[ $1 == -- ]] && shift
cd "$GUEST" && export HOME=$GUEST SHELL=/bin/bash
exec bash -c "$*"
"""


class Guest:
    def __init__(self, callao: Line, home: Path, project: Path) -> None:
        self.callao = callao
        self.home = home
        self.project = project

    @property
    def copy(self) -> Path:
        return Path(f"{self.home}{self.project}")

    def __call__(self, *words: str, options: tuple[str, ...] = ()) -> Done:
        environment = {**os.environ, "GUEST": str(self.home)}
        line = ["shell", "--sync", ".", "--yes", *options, "web", *words]
        return self.callao.process(*line, env=environment, cwd=self.project)


@pytest.fixture
def guest(callao: Line, tmp_path: Path) -> Guest:
    if shutil.which("rsync") is None:
        pytest.fail("these tests need rsync")
    callao.run("web").ssh_config.write_text("")
    callao.program("ssh", SSH)
    home, project = tmp_path / "guest", tmp_path / "a 'project' \"here\""
    home.mkdir()
    project.mkdir()
    (project / "foo").write_text("foo")
    (project / "bar").write_text("bar")
    return Guest(callao, home, project)


def test_the_command_runs_in_a_copy_and_its_changes_come_back(guest: Guest) -> None:
    script = "pwd; echo new > foo; rm bar; mkdir d; echo x > d/e; chmod 700 d/e; ln -s foo link"
    done = guest("sh", "-c", script)
    assert done.status == 0, done.err
    assert done.out == f"{guest.copy}\n"
    assert (guest.project / "foo").read_text() == "new\n"
    assert not (guest.project / "bar").exists()
    assert (guest.project / "d" / "e").stat().st_mode & 0o777 == 0o700
    assert (guest.project / "link").readlink() == Path("foo")
    assert not guest.copy.exists()
    assert guest.copy.parent.is_dir()


def test_after_a_command_that_fails_nothing_comes_back_and_the_copy_stays(guest: Guest) -> None:
    done = guest("sh", "-c", "echo new > foo; exit 7")
    assert done.status == 7
    assert (guest.project / "foo").read_text() == "foo"
    assert (guest.copy / "foo").read_text() == "new\n"


def test_what_an_earlier_run_left_in_the_copy_is_replaced(guest: Guest) -> None:
    guest.copy.mkdir(parents=True)
    (guest.copy / "stale").write_text("")
    assert guest("ls").out == "bar\nfoo\n"


def test_mounts_a_workdir_and_a_path_near_the_root_are_refused(guest: Guest) -> None:
    assert "--sync and --workdir exclude each other" in guest("true", options=("--workdir", "/")).err
    for place, words in (
        ("/", "is too near to the root"),
        ("/usr", "is too near"),
        ("/none/a/b", "not a dir"),
    ):
        done = guest.callao("shell", "--sync", place, "web", "true")
        assert (done.status, words in done.err) == (1, True), done.err
    guest.callao.run("mounted", mounts=[{"location": "~"}]).ssh_config.write_text("")
    done = guest.callao("shell", "--sync", str(guest.project), "mounted", "true")
    assert (done.status, "has mounts" in done.err) == (1, True)


def test_a_guest_without_rsync_is_an_error_and_nothing_is_run(guest: Guest) -> None:
    guest.callao.program("ssh", "#!/bin/sh\nexit 127\n")
    done = guest("touch", str(guest.home / "ran"))
    assert (done.status, done.out) == (1, "")
    assert "--sync: ssh failed with status 127" in done.err
    assert not (guest.home / "ran").exists()


def test_changes_are_counted_by_kind() -> None:
    itemized = """*deleting   gone
>f+++++++++ new
cd+++++++++ dir/
>f.st...... changed
cLc.T...... link -> other
.f...p..... mode
.d..t...... dir/

"""
    assert counted(itemized) == Changes(added=2, deleted=1, modified=2, metadata=2)
