# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import pytest

from callao.instances import Runtime
from callao.instances.process_identity import (
    ProcessIdentity,
    alive,
    from_pid_file,
    identify,
    terminate,
    wait_gone,
)
from callao.instances.records import read_json, write_json


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


THREADS = """
import socket, sys, threading, time
wire = socket.socket(socket.AF_UNIX)
wire.bind(sys.argv[1])
wire.listen()
memory = bytearray(32 << 20)
for _ in range(20):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
print(flush=True)
time.sleep(600)
"""


def test_one_that_is_gone_has_let_go_of_its_sockets_whichever_thread_ended_first() -> None:
    """The first thread may be a zombie while the others, killed with it, still hold what they share."""
    for _ in range(5):
        with tempfile.TemporaryDirectory(prefix="p-", dir="/tmp") as folder:
            path = f"{folder}/s"
            argv = [sys.executable, "-c", THREADS, path]
            with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                process.stdout.readline()
                identity = identify(process.pid)
                terminate(identity, signal.SIGKILL)
                assert wait_gone(identity, 30.0)
                with socket.socket(socket.AF_UNIX) as wire, pytest.raises(ConnectionRefusedError):
                    wire.connect(path)


def test_one_of_another_boot_is_somebody_else() -> None:
    me = identify(os.getpid())
    assert not alive(msgspec.structs.replace(me, boot="11111111-2222-3333-4444-555555555555"))


def test_a_record_with_a_start_time_of_the_clock_is_no_record(tmp_path: Path) -> None:
    """As the versions before had them: whoever reads one goes by the pid files."""
    old = tmp_path / "runtime.json"
    old.write_text('{"agent": {"pid": 1, "started": 1764317911.25}, "ssh_port": 60022}')
    assert read_json(old, Runtime) is None


@pytest.mark.parametrize("seconds", [-10, -5, 5, 10])
def test_a_step_of_the_clock_makes_nobody_somebody_else(tmp_path: Path, seconds: int) -> None:
    """In a mount namespace whose /proc/stat says that the host booted at another time."""
    with sleeper() as process:
        write_json(tmp_path / "it", identify(process.pid))
        (tmp_path / "pid").write_text(f"{process.pid}\n")
        said = Path("/proc/stat").read_text()
        (booted,) = (int(line.split()[1]) for line in said.splitlines() if line.startswith("btime"))
        (tmp_path / "stat").write_text(said.replace(f"btime {booted}", f"btime {booted + seconds}"))
        code = (
            "import sys, psutil; from pathlib import Path\n"
            "from callao.instances.records import read_json\n"
            "from callao.instances.process_identity import ProcessIdentity, alive, from_pid_file\n"
            "folder = Path(sys.argv[1])\n"
            "print(int(psutil.boot_time()), alive(read_json(folder / 'it', ProcessIdentity)),\n"
            "      from_pid_file(folder / 'pid') == read_json(folder / 'it', ProcessIdentity))\n"
        )
        script = 'mount --bind "$1/stat" /proc/stat && exec "$2" -c "$3" "$1"'
        argv = ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path), sys.executable, code]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        process.kill()
    assert done.stdout.split() == [str(booted + seconds), "True", "True"]


def test_a_pid_file_that_a_step_of_the_clock_made_older_is_believed_of_who_names_the_instance(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "web"
    folder.mkdir()
    path = folder / "qemu.pid"
    long_ago = time.time() - 1000
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    with (
        subprocess.Popen([*argv, f"-chardev=socket,path={folder}/ga.sock"]) as ours,
        subprocess.Popen([*argv, f"{folder}2/disk"]) as other,
    ):
        for process, found in ((ours, identify(ours.pid)), (other, None)):
            path.write_text(f"{process.pid}\n")
            os.utime(path, (long_ago, long_ago))
            assert from_pid_file(path) == found
            process.kill()


def test_a_later_process_with_the_same_pid_is_somebody_else() -> None:
    me = identify(os.getpid())
    assert not alive(ProcessIdentity(pid=me.pid, started=me.started - 60))


def test_somebody_else_is_never_signalled() -> None:
    with sleeper() as process:
        identity = identify(process.pid)
        terminate(ProcessIdentity(pid=identity.pid, started=identity.started - 60), signal.SIGKILL)
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
