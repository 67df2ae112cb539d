# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from callao.instances.process import Identity, alive, from_pid_file, identify, terminate, wait_gone


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"])


def test_a_process_is_itself_until_it_ends() -> None:
    with sleeper() as process:
        identity = identify(process.pid)
        assert alive(identity)
        terminate(identity, signal.SIGKILL)
        assert wait_gone(identity, 5.0)
        assert not alive(identity)


def test_a_zombie_is_not_alive() -> None:
    process = sleeper()
    identity = identify(process.pid)
    process.kill()
    assert wait_gone(identity, 5.0)
    process.wait()


def test_a_later_process_with_the_same_pid_is_somebody_else() -> None:
    me = identify(os.getpid())
    assert not alive(Identity(pid=me.pid, started=me.started - 60))


def test_somebody_else_is_never_signalled() -> None:
    with sleeper() as process:
        identity = identify(process.pid)
        terminate(Identity(pid=identity.pid, started=identity.started - 60), signal.SIGKILL)
        time.sleep(0.05)
        assert process.poll() is None
        process.kill()


def test_no_process_has_no_identity() -> None:
    with pytest.raises(ProcessLookupError):
        identify(2**22 + 1)
    assert not alive(None)


@pytest.mark.parametrize("text", ["", "garbage", "-1", "0", "99999999999"])
def test_a_bad_pid_file_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    assert from_pid_file(tmp_path / "pid") is None
    assert from_pid_file(tmp_path / "missing") is None


def test_a_pid_file_older_than_the_process_is_stale(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text(f"{os.getpid()}\n")
    assert from_pid_file(path) == identify(os.getpid())
    started = identify(os.getpid()).started
    os.utime(path, (started - 100, started - 100))
    assert from_pid_file(path) is None
