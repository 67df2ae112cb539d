# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest with Debian's engines, in which the role is run with variables."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.connection import instances, run
from support.home import Golden, Home, temporary_home

WRONG = "sha256:" + "0" * 64
"""A checksum that nothing has."""

PLAY = "- {hosts: guests, gather_facts: false, roles: [callao.lima.container_engine]}\n"


@dataclass(frozen=True)
class Box:
    """A running guest."""

    name: str
    home: Home
    folder: Path

    def run(self, command: str) -> str:
        """Standard output of a command in the guest."""
        done = self.home.ssh(self.name, command, 600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def root(self, script: str) -> None:
        """Commands of the guest's root."""
        text = b64encode(script.encode()).decode()
        self.run(f"echo {text} | base64 --decode | sudo sh -e")

    def play(self, *words: str, **variables: Any) -> str:
        """What ansible-playbook says of the role with these variables, in one line."""
        given = {f"container_engine_{key}": value for key, value in variables.items()}
        (self.folder / "play.yml").write_text(PLAY)
        argv = ("-e", json.dumps({"container_engine_host_socket": "", **given}), *words)
        here = {"home": self.home.path, "control_dir": self.folder}
        done = run("ansible-playbook", instances(self.name), str(self.folder / "play.yml"), *argv, **here)
        return " ".join((done.stdout + done.stderr).split())

    def packages(self) -> dict[str, str]:
        """Debian's packages that are installed, and their versions."""
        said = self.run("dpkg-query --show --showformat='${db:Status-Abbrev}${Package} ${Version}\\n'")
        return {name: version for state, name, version in map(str.split, said.splitlines()) if state == "ii"}


@contextmanager
def running_box(name: str, golden: Golden) -> Iterator[Box]:
    with temporary_home(golden) as home:
        folder = home.path / "host"
        folder.mkdir()
        home.ensure(name, extra=home.direct(), timeout=900)
        yield Box(name, home, folder)
