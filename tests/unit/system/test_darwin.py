# SPDX-License-Identifier: GPL-3.0-or-later
"""macOS's module of callao.system, on this host: processes without /proc, and a part of the tests by it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from callao.config import names
from callao.errors import ConfigError
from callao.system import darwin
from callao.testing import home

TESTS = Path(__file__).parents[2]


def test_children_end_with_a_parent_that_is_killed() -> None:
    script = """
        import subprocess, sys
        from callao.system.darwin import die_with_parent
        child = subprocess.Popen(["sleep", "600"], preexec_fn=die_with_parent())
        print(child.pid, flush=True)
        sys.stdin.read()
    """
    argv = [sys.executable, "-c", textwrap.dedent(script)]
    parent = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    watchers = [each for each in psutil.Process(parent.pid).children() if each.pid != child.pid]
    parent.kill()
    parent.communicate()
    psutil.wait_procs([child, *watchers], timeout=60)
    assert len(watchers) == 1
    assert [each for each in (child, *watchers) if each.is_running() and each.status() != "zombie"] == []


def test_a_process_is_known_without_proc(tmp_path: Path) -> None:
    with (tmp_path / "disk").open("w"):
        argv = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
        other = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert other.stdout is not None
        other.stdout.readline()  # its command line is empty for a moment after exec
        began = darwin.start_ticks(other.pid)
        assert darwin.arguments(other.pid) == argv
        assert os.getpid() in darwin.openers(tmp_path / "disk")
        assert began is not None
        assert began > (darwin.start_ticks(os.getpid()) or 0)
        other.communicate()
    assert darwin.start_ticks(other.pid) is None
    assert darwin.arguments(other.pid) == []


def test_a_socket_s_path_ends_where_macos_ends_it_and_copies_are_clones() -> None:
    assert (darwin.UNIX_PATH_MAX, darwin.COPY_OPTIONS) == (104, ("-c",))


@pytest.mark.parametrize(
    ("temporary", "chosen"),
    [("/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T", "/tmp"), ("/private/tmp", "/private/tmp")],
)
def test_sockets_have_room_whatever_tmpdir_is(
    temporary: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "UNIX_PATH_MAX", darwin.UNIX_PATH_MAX)
    assert str(home.short_folder(Path(temporary))) == chosen


def test_the_name_of_an_instance_leaves_room_for_its_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "UNIX_PATH_MAX", darwin.UNIX_PATH_MAX)
    longest = 104 - len("/ssh.sock") - names.SSH_CONTROL_SUFFIX - 1
    names.check_socket_path(Path("/" + "h" * (longest - 1)))
    with pytest.raises(ConfigError, match=f"at most {longest} bytes"):
        names.check_socket_path(Path("/" + "h" * longest))


@pytest.mark.once
def test_a_part_of_the_unit_tests_passes_with_the_module_of_macos() -> None:
    unit = TESTS / "unit"
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "support.darwin", "-p", "no:cacheprovider"]
    parts = ["autostart", "instances", "ssh/test_config.py", "ssh/test_reach.py"]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        [*argv, *(str(unit / each) for each in parts)],
        env=environment, cwd=TESTS.parent, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
