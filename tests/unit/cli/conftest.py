# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line on a LIMA_HOME of the test's own, in this process or as one of its own."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from callao.cli.main import main
from callao.config import dump
from callao.instances import InstancePaths, Runtime
from callao.instances.process_identity import identify
from callao.instances.records import write_json


@dataclass(frozen=True)
class Done:
    """What a run left."""

    status: int
    out: str
    err: str


@dataclass
class Line:
    """The command line, and what lies around it."""

    home: Path
    capsys: pytest.CaptureFixture[str]
    sleepers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __call__(self, *arguments: str) -> Done:
        self.capsys.readouterr()
        status = main(list(arguments))
        told = self.capsys.readouterr()
        return Done(status, told.out, told.err)

    def process(self, *arguments: str, **how: Any) -> Done:
        """The same as a process: for what replaces itself, or reads standard input."""
        done = subprocess.run(
            [sys.executable, "-m", "callao.cli.main", *arguments],
            capture_output=True, text=True, check=False, timeout=120, **how,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def names(self) -> list[str]:
        return self("list", "-q").out.split()

    def write(self, name: str, **document: Any) -> InstancePaths:
        """A stopped instance without a disk."""
        paths = InstancePaths(self.home / name)
        paths.dir.mkdir(mode=0o700)
        document.setdefault("images", [{"location": "/nowhere.qcow2"}])
        document = {"vmType": "qemu", "arch": "x86_64", "cpus": 2, "memory": "1GiB", **document}
        paths.lima_yaml.write_text(dump(document))
        return paths

    def run(self, name: str, **document: Any) -> InstancePaths:
        """One that looks as if it ran: a sleeper stands for its processes."""
        paths = self.write(name, **document)
        self.sleepers.append(subprocess.Popen(["sleep", "600"]))
        process = identify(self.sleepers[-1].pid)
        assert process is not None
        write_json(paths.runtime, Runtime(agent=process, driver=process, ssh_port=60022, ready=True))
        return paths

    def program(self, name: str, text: str) -> Path:
        """An executable script in a folder of its own, which is first on PATH."""
        path = self.home.parent / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path


@pytest.fixture
def callao(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Line]:
    # Right under /tmp: an instance's sockets have short names, and pytest's folders have not.
    folder = Path(tempfile.mkdtemp(prefix="cli-", dir="/tmp"))
    home = folder / "h"
    home.mkdir()
    monkeypatch.setenv("LIMA_HOME", str(home))
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    for name in ("LIMA_INSTANCE", "LIMA_WORKDIR", "LIMA_SHELL", "LIMA_TEMPLATES_PATH", "EDITOR", "VISUAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    line = Line(home, capsys)
    yield line
    for sleeper in line.sleepers:
        sleeper.kill()
        sleeper.wait()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def box(tmp_path: Path) -> Callable[..., Path]:
    """A template of a tiny disk that nobody boots: no firmware is asked for."""

    def make(**extra: Any) -> Path:
        image = tmp_path / "image.raw"
        if not image.exists():
            image.write_bytes(b"\0" * 510 + b"\x55\xaa" + b"\0" * 65536)
        path = tmp_path / "box.yaml"
        document = {
            "images": [{"location": str(image), "arch": "x86_64"}],
            "vmType": "qemu", "arch": "x86_64", "cpus": 1, "memory": "512MiB", "disk": "10MiB",
            "firmware": {"legacyBIOS": True}, **extra,
        }  # fmt: skip
        path.write_text(dump(document))
        return path

    return make


@pytest.fixture(autouse=True)
def _temporary_files_of_this_test(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that was refused is kept for its author, in a file that outlives the command."""
    folder = tmp_path_factory.mktemp("tmp")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
