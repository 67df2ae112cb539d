# SPDX-License-Identifier: GPL-3.0-or-later
"""What is interrupted leaves nothing behind: a start, and a run of tests."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from callao.config import dump
from callao.drivers import driver_for
from callao.events import silent
from callao.host import Host
from callao.instances import InstancePaths, Runtime, inspect
from callao.instances.process_identity import alive, wait_gone
from callao.instances.records import read_json
from callao.lifecycle import start
from callao.lifecycle.delete import delete

TESTS = Path(__file__).parents[2]
PATIENCE = 300.0

CONFTEST = """
from support.run import Run, Worker

def pytest_configure(config):
    config.pluginmanager.register(Worker() if hasattr(config, "workerinput") else Run())
"""
SLOW = """
import pathlib, time, pytest

@pytest.fixture
def machine():
    pathlib.Path("machine").touch()
    yield
    time.sleep(0.5)
    pathlib.Path("machine").unlink()

def test_that_waits(machine):
    time.sleep(600)
"""


def test_an_agent_is_found_by_whoever_is_interrupted_before_it_has_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tmp_path / "image.raw"
    image.write_bytes(b"\0" * 65536)
    paths = InstancePaths(tmp_path / "box")
    paths.dir.mkdir(mode=0o700)
    images = [{"location": str(image), "arch": "x86_64"}]
    document = {"vmType": "qemu", "arch": "x86_64", "images": images, "firmware": {"legacyBIOS": True}}
    paths.lima_yaml.write_text(dump(document))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", paths.disk, "1G"], check=True)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 600\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))

    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("callao.lifecycle.start.wait_for_agent", interrupt)
    host = Host.detect()
    with pytest.raises(KeyboardInterrupt):
        start.start(inspect("box", tmp_path, host), driver_for("qemu"), tmp_path, 60.0, silent)
    instance = inspect("box", tmp_path, host)
    assert instance.agent is not None
    delete(instance, silent)
    assert not runs(instance.agent.pid)


@pytest.fixture
def home() -> Iterator[Path]:
    """With a template, ``box.yaml``, whose machine runs and never answers."""
    with tempfile.TemporaryDirectory(prefix="i-", dir="/tmp") as folder:
        home = Path(folder)
        (home / "image.raw").write_bytes(b"\0" * 65536)
        document = {
            "vmType": "qemu",
            "arch": "x86_64",
            "images": [{"location": str(home / "image.raw"), "arch": "x86_64"}],
            "firmware": {"legacyBIOS": True},
            "memory": "64MiB",
            "disk": "64MiB",
            "mounts": [],
        }
        (home / "box.yaml").write_text(dump(document))
        yield home


@contextlib.contextmanager
def starting(home: Path, *flags: str, folder: str) -> Iterator[tuple[subprocess.Popen[str], Runtime]]:
    """``callao start``, once the machine in ``folder`` runs."""
    argv = [
        sys.executable,
        "-m",
        "callao.cli.main",
        "start",
        *flags,
        "--name",
        "box",
        str(home / "box.yaml"),
    ]
    environment = {**os.environ, "LIMA_HOME": str(home)}
    with subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True) as run:
        deadline = time.monotonic() + PATIENCE
        found: Runtime | None = None
        while found is None or found.driver is None:
            assert time.monotonic() < deadline
            assert run.poll() is None
            time.sleep(0.02)
            for path in home.glob(folder):
                found = read_json(InstancePaths(path).runtime, Runtime)
        yield run, found


def test_ctrl_c_during_a_start_says_what_goes_on_and_how_to_stop_it(home: Path) -> None:
    with starting(home, folder="box") as (run, found):
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=PATIENCE)
        assert run.returncode == 130
        assert "box goes on starting in the background" in said
        assert "callao stop box" in said
        assert alive(found.agent)
        delete(inspect("box", home, Host.detect()), silent)
    assert not alive(found.driver)


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_warm_start_leaves_no_golden_machine_running(home: Path, sig: signal.Signals) -> None:
    with starting(home, "--warm", folder="_warm/*/golden") as (run, found):
        run.send_signal(sig)
        run.communicate(timeout=PATIENCE)
        assert wait_gone(found.agent, PATIENCE)
        assert wait_gone(found.driver, PATIENCE)
    assert not (home / "box").exists()


def runs(pid: int) -> bool:
    """Whether it runs; a child that ended and was not waited for does not."""
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_run_that_is_interrupted_ends_what_its_tests_have_begun(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_slow.py").write_text(SLOW)
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "1",
        "-o",
        f"pythonpath={TESTS}",
        "--rootdir",
        ".",
    ]
    run = subprocess.Popen(
        [*argv, "test_slow.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "machine").exists():
        assert time.monotonic() < deadline
        assert run.poll() is None
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, said
    assert not (tmp_path / "machine").exists()
