# SPDX-License-Identifier: GPL-3.0-or-later
"""``guest-install`` and ``--progress``, with a program of the test's own in the place of ssh."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from cli.conftest import Line
from support.waiting import eventually

from callao.cli.arguments import existing
from callao.cli.provision_log import ProvisionLog
from callao.cli.session import Session
from callao.events import Event, EventState, Stage, silent
from callao.guest.zipapp import zipapp_bytes
from callao.instances import InstancePaths

RECORDING = '#!/bin/sh\nprintf "%s\\n" "$@" > "{folder}/arguments"\ncat > "{folder}/input"\n'
REFUSING = "#!/bin/sh\ncat > /dev/null\necho 'sudo: a password is required' >&2\nexit 1\n"


@pytest.fixture
def box(callao: Line) -> Line:
    callao.run("web", guestInstallPrefix="/opt/my tools").ssh_config.write_text("")
    return callao


def test_the_program_is_sent_whole_and_put_in_the_place_of_the_old_one(box: Line, tmp_path: Path) -> None:
    box.program("ssh", RECORDING.format(folder=tmp_path))
    done = box("guest-install", "web")
    assert done.status == 0
    assert "Installed /opt/my tools/bin/lima-guestagent in web." in done.err
    assert (tmp_path / "input").read_bytes() == zipapp_bytes()
    sent = (tmp_path / "arguments").read_text()
    assert sent.startswith(f"-F\n{box.home}/web/ssh.config\nlima-web\n--\nsh -c ")
    assert "install -m 755" in sent


def test_a_guest_that_refuses_is_an_error_with_its_own_words(box: Line) -> None:
    box.program("ssh", REFUSING)
    done = box("guest-install", "web")
    assert done.status == 1
    assert "lima-guestagent cannot be installed (status 1): sudo: a password is required" in done.err


def test_only_a_running_instance_with_the_program_is_taken(callao: Line) -> None:
    callao.write("off")
    assert "'off' is not running" in callao("guest-install", "off").err
    callao.run("bare", plain=True).ssh_config.write_text("")
    done = callao("guest-install", "bare")
    assert (done.status, "is plain" in done.err) == (1, True)


def event(stage: Stage, state: EventState) -> Event:
    return Event(stage=stage, state=state)


def test_the_log_is_shown_from_the_login_to_the_end(
    callao: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = r'printf "Setting up nginx\n\n\033]0;owned\007done\n"'
    callao.program(
        "ssh", f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/arguments"\n{lines}\nexec cat /dev/zero >&2'
    )
    told: list[Event] = []
    paths = InstancePaths(callao.home / "web")
    before = event(Stage.SSHD, EventState.PROGRESS)
    sshd, ready = event(Stage.SSHD, EventState.DONE), event(Stage.READY, EventState.DONE)
    shown = io.StringIO()  # capsys, emptied while the log's thread writes, loses what comes between
    monkeypatch.setattr(sys, "stderr", shown)
    with ProvisionLog(paths, told.append) as log:
        for each in (before, sshd):
            log(each)
        eventually(lambda: "done" in shown.getvalue())
        log(event(Stage.PROVISION, EventState.PROGRESS))  # the last line of the same log
        log(ready)
    assert [line.strip() for line in shown.getvalue().splitlines()] == [
        "[cloud-init] Setting up nginx",
        "[cloud-init] done",
    ]
    assert told == [before, sshd, ready]
    assert "tail -n +1 -F" in (tmp_path / "arguments").read_text()


def test_of_a_later_start_only_what_is_new_is_shown(callao: Line, tmp_path: Path) -> None:
    callao.program("ssh", f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/arguments"\n')
    paths = callao.write("web")
    paths.ssh_config.write_text("")
    with ProvisionLog(paths, silent) as log:
        log(event(Stage.SSHD, EventState.DONE))
        eventually((tmp_path / "arguments").exists)
    assert "tail -n 0 -F" in (tmp_path / "arguments").read_text()


def test_without_progress_no_log_is_followed(callao: Line) -> None:
    run = Session(callao.home, tty=False)
    with existing._reporter(run, "web") as report:
        assert report is run.report
    run.shows_provision_log = True
    with existing._reporter(run, "web") as report:
        assert isinstance(report, ProvisionLog)
