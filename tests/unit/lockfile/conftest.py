# SPDX-License-Identifier: GPL-3.0-or-later
"""A team's folder, a server with its template and its image, and a lock made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from images.conftest import Server, serving, sha256

from callao.lockfile import Lock, LockFile, make, read, write

DISK = b"a disk that nothing boots"


@dataclass(frozen=True)
class Team:
    """``folder`` is what they share by version control; ``home`` is one member's LIMA_HOME."""

    folder: Path
    home: Path
    server: Server

    def template(self, text: str, name: str = "box.yaml") -> str:
        """A template in their folder, over a base on the server; returns its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def lock(self, *references: str, **more: Any) -> Lock:
        return make(references, self.home, folder=self.folder, **more)

    def file(self, *references: str, **more: Any) -> LockFile:
        """The same, written and read."""
        write(self.folder / "callao.lock", self.lock(*references, **more))
        return read(self.folder / "callao.lock")


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / "site").mkdir()
    monkeypatch.chdir(tmp_path / "site")
    with serving() as server:
        yield Team(tmp_path / "site", tmp_path / "lima", server)


@pytest.fixture
def box(team: Team) -> str:
    """A template with a remote base, whose image has a digest for one architecture and none for another."""
    disk = team.server.serve("/disk.qcow2", DISK)
    latest = team.server.serve("/latest.qcow2", DISK + b" today")
    team.server.serve(
        "/base.yaml",
        f"images:\n- {{location: '{disk}', arch: x86_64, digest: '{sha256(DISK)}'}}\n"
        f"- {{location: '{latest}', arch: aarch64}}\n".encode(),
    )
    return team.template(f"base: {team.server.url('/base.yaml')}\ncpus: 2\n")
