# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays on this machine, with the collection as it is installed and a LIMA_HOME of the test's own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from support import programs
from support.collection_finder import install_collection_finder

install_collection_finder()

Tasks = list[dict[str, Any]]


@dataclass(frozen=True)
class Played:
    """What a play came to: each task's result, in order, and what was shown."""

    results: list[dict[str, Any]]
    stdout: str
    stderr: str


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "lima"


@pytest.fixture
def play(tmp_path: Path, home: Path) -> Callable[..., Played]:
    def play(
        *tasks: dict[str, Any], inventory: str = "localhost ansible_connection=local\n", **environment: str
    ) -> Played:
        registered = [
            {**task, "register": f"result_{number}", "ignore_errors": True}
            for number, task in enumerate(tasks)
        ]
        names = ", ".join(f"result_{number}" for number in range(len(tasks)))
        keep = {
            "keep": {"content": f"{{{{ [{names}] | to_json }}}}", "dest": str(tmp_path / "results")},
            "no_log": True,
        }
        (tmp_path / "play.yml").write_text(
            json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [*registered, keep]}])
        )
        (tmp_path / "hosts").write_text(inventory)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "LIMA_"))}
        done = programs.run(
            "ansible-playbook",
            "-i",
            str(tmp_path / "hosts"),
            str(tmp_path / "play.yml"),
            environment={
                **kept,
                **programs.settings(),
                "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
                "LIMA_HOME": str(home),
                **environment,
            },
            stderr=tmp_path / "stderr",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return Played(json.loads((tmp_path / "results").read_text()), done.stdout, done.stderr)

    return play


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Not on the test's own output."""


@dataclass(frozen=True)
class Site:
    """A web server on this machine, and the folder that it shows."""

    url: str
    folder: Path


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Site(f"http://127.0.0.1:{server.server_port}", folder)
        server.shutdown()
        thread.join()
