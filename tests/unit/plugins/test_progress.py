# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages, shown while a module runs: an image from a server that sends the most of it when it may."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
import pytest
from ansible_collections.callao.lima.plugins.plugin_utils import _progress_watcher

IMAGE = "callao.lima.image"
LOCAL = "here ansible_connection=local\n"
Until = Callable[[float], bool]
"""Whether the rest of an image may come, so many seconds after it was asked for."""


DROP = 64 * 1024
"""Bytes, as many as are read at once: each is a moment to tell of."""


class Slow(BaseHTTPRequestHandler):
    """Half of the body, some of the rest drop by drop, and all of it when it may come."""

    def __init__(self, *arguments: Any, body: bytes, until: Until, closing: Event) -> None:
        self.body, self.until, self.closing = body, until, closing
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self.do_HEAD()
        begun, sent = time.monotonic(), len(self.body) // 2
        with contextlib.suppress(ConnectionError):
            self.wfile.write(self.body[:sent])
            while not self.until(time.monotonic() - begun) and not self.closing.wait(0.5):
                self.wfile.write(self.body[sent : sent + DROP])
                sent += DROP
            self.wfile.write(self.body[sent:])

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Not on the test's own output."""


@pytest.fixture
def slowly(tmp_path: Path) -> Iterator[Callable[[Until], str]]:
    """The URL of an image that comes when it may."""
    disk = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "4M"], check=True)
    with disk.open("r+b") as file:  # enough for a minute of drops
        file.truncate(16 * 1024 * 1024)
    running: list[tuple[ThreadingHTTPServer, Thread]] = []
    closing = Event()

    def serve(until: Until) -> str:
        handler = partial(Slow, body=disk.read_bytes(), until=until, closing=closing)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/disk.qcow2"

    yield serve
    closing.set()
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def once_told(tmp_path: Path) -> Until:
    """When a line about the image has been shown."""
    return lambda _: "disk.qcow2: " in (tmp_path / "stderr").read_text()


def long_enough(seconds: float) -> bool:
    """Or when one would have been shown by all means."""
    return seconds > _progress_watcher.DELAY + _progress_watcher.INTERVAL


@pytest.fixture
def by_ssh(tmp_path: Path) -> Iterator[str]:
    """An inventory whose one host is this machine, by way of an sshd of the test's own."""
    folder = tmp_path / "sshd"
    folder.mkdir()
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    config = folder / "config"
    config.write_text(
        f"HostKey {folder}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/user.pub\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n"
    )
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None
    (folder / "known").write_text(f"here {(folder / 'host.pub').read_text()}")
    # An sshd for each connection, through ProxyCommand: no port to choose, and nobody listens.
    (folder / "ssh_config").write_text(
        f"Host here\nUser {getpass.getuser()}\nIdentityFile {folder}/user\nHostKeyAlias here\n"
        f"UserKnownHostsFile {folder}/known\nProxyCommand {program} -i -f {config}\n"
    )
    yield (
        f"here ansible_connection=ssh ansible_ssh_common_args='-F {folder}/ssh_config' "
        f"ansible_control_path_dir={folder} ansible_python_interpreter={sys.executable}\n"
    )
    for path in folder.iterdir():
        if path.is_socket():
            argv = ["ssh", "-F", "none", "-o", f"ControlPath={path}", "-O", "exit", "here"]
            subprocess.run(argv, capture_output=True, check=False)


def told(played: Any) -> list[str]:
    return [line for line in played.stderr.splitlines() if line.startswith("disk.qcow2: ")]


@pytest.mark.parametrize("way", ["local", "ssh"])
def test_a_long_task_shows_its_stages_as_they_pass(
    play: Callable[..., Any],
    slowly: Callable[[Until], str],
    once_told: Until,
    request: pytest.FixtureRequest,
    way: str,
) -> None:
    inventory = LOCAL if way == "local" else request.getfixturevalue("by_ssh")
    wanted = {IMAGE: {"location": slowly(once_told)}}
    if way == "ssh":  # LIMA_HOME of the test crosses to the other machine
        wanted["environment"] = {"LIMA_HOME": str(request.getfixturevalue("home"))}
    played = play(wanted, inventory=inventory)
    lines = told(played)
    assert not played.results[0]["failed"], played.results
    assert len(lines) >= 2, "what came is told while the rest is awaited"
    assert "image ready" in lines[-1]
    assert "image ready" not in lines[0]
    assert "_callao_events" not in played.results[0]


@pytest.mark.parametrize(("delay", "shown"), [(3600.0, ""), (0.0, "web: image ready 2 s\n")])
def test_a_quick_task_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], delay: float, shown: str
) -> None:
    """Quick is what ends before the delay has passed."""
    monkeypatch.setattr(_progress_watcher, "DELAY", delay)
    watch = _progress_watcher.ProgressWatcher("web", lambda: "")
    watch.end([{"stage": "image", "state": "done", "seconds": 2}])
    assert capsys.readouterr().err == shown


@pytest.mark.parametrize("quiet", [{"vars": {"callao_progress": False}}, {"no_log": True}])
def test_a_task_that_is_to_be_quiet_is(
    play: Callable[..., Any], slowly: Callable[[Until], str], quiet: dict[str, Any]
) -> None:
    assert told(play({IMAGE: {"location": slowly(long_enough)}, **quiet})) == []


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The system's temporary folder, as far as Ansible is told."""
    folder = tmp_path / "system"
    folder.mkdir()
    return folder


def test_the_events_file_is_gone_after_the_task(
    play: Callable[..., Any], slowly: Callable[[Until], str], once_told: Until, temporary: Path
) -> None:
    task = {
        IMAGE: {"location": slowly(once_told)},
        "vars": {"ansible_system_tmpdirs": [str(temporary)]},
    }
    assert told(play(task))
    assert list(temporary.iterdir()) == []


def test_the_events_file_of_a_module_that_was_killed_is_gone_too(
    play: Callable[..., Any], slowly: Callable[[Until], str], temporary: Path
) -> None:
    def kill_the_module() -> None:
        while not list(temporary.iterdir()):
            time.sleep(0.01)
        (path,) = temporary.iterdir()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if str(path) in [file.path for file in process.open_files()]:
                    process.kill()

    killer = Thread(target=kill_the_module)
    killer.start()
    task = {
        IMAGE: {"location": slowly(lambda _: False)},
        "vars": {"ansible_system_tmpdirs": [str(temporary)]},
    }
    (result,) = play(task).results
    killer.join()
    assert result["failed"]
    assert list(temporary.iterdir()) == []


def test_the_events_file_of_somebody_else_is_not_touched(play: Callable[..., Any], tmp_path: Path) -> None:
    theirs = tmp_path / "events"
    theirs.write_text("mine")
    (result,) = play({"callao.lima.instance": {"name": "web", "events_file": str(theirs)}}).results
    assert result["failed"]
    assert str(theirs) in result["msg"]
    assert theirs.read_text() == "mine"
