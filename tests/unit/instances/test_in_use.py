# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lost pid file must not cost: asked of the kernel, with QEMU's own programs as who has the disk."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from callao.errors import InstanceError
from callao.events import silent
from callao.host import Host
from callao.instances import InstancePaths, inspect
from callao.instances.in_use import is_open_for_writing, must_be_unused
from callao.lifecycle.cleanup import remove_stale_files
from callao.lifecycle.delete import delete
from callao.lifecycle.preconditions import must_be_stopped
from callao.lifecycle.rename import rename


@pytest.fixture
def paths(tmp_path: Path) -> InstancePaths:
    paths = InstancePaths(tmp_path / "web")
    paths.dir.mkdir()
    paths.lima_yaml.write_text("images: [{location: /nowhere.qcow2}]\nvmType: qemu\n")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(paths.disk), "1M"], check=True)
    return paths


@contextlib.contextmanager
def opened(disk: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """By a program of QEMU's, until the block ends."""
    argv = ["qemu-io", "-f", "qcow2", *options, str(disk)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"read 0 512\n")
        process.stdin.flush()
        process.stdout.readline()
        yield process
        process.stdin.close()


def test_a_disk_that_is_written_is_nobody_elses(paths: InstancePaths) -> None:
    must_be_unused(paths, "deleted")
    with (
        opened(paths.disk) as process,
        pytest.raises(InstanceError, match=rf"'web' cannot be deleted: .*qemu-io \(pid {process.pid}\)"),
    ):
        must_be_unused(paths, "deleted")
    must_be_unused(paths, "deleted")


def test_a_disk_that_is_only_read_is_free(paths: InstancePaths) -> None:
    with opened(paths.disk, "-r"):
        assert not is_open_for_writing(paths.disk)


def test_a_host_agent_that_answers_keeps_its_instance(paths: InstancePaths) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(paths.ha_sock))
        must_be_unused(paths, "renamed")
        server.listen()
        with pytest.raises(InstanceError, match=r"cannot be renamed: a host agent .*ha\.sock"):
            must_be_unused(paths, "renamed")


def test_a_host_agent_too_busy_to_answer_counts(paths: InstancePaths) -> None:
    with socket.socket(socket.AF_UNIX) as server, contextlib.ExitStack() as clients:
        server.bind(str(paths.ha_sock))
        server.listen(0)
        for _ in range(2):
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            client.connect_ex(str(paths.ha_sock))
        with pytest.raises(InstanceError):
            must_be_unused(paths, "renamed")


def test_nothing_destructive_is_done_under_a_machine(paths: InstancePaths) -> None:
    host = Host.detect()
    home = paths.dir.parent
    with opened(paths.disk):
        before = sorted(each.name for each in paths.dir.iterdir())
        instance = inspect("web", home, host)
        for attempt in (
            lambda: delete(instance, silent),
            lambda: rename(instance, "other", home=home),
            lambda: must_be_stopped(instance, "copied"),
            lambda: remove_stale_files(paths),
        ):
            with pytest.raises(InstanceError, match="is written by"):
                attempt()
        assert sorted(each.name for each in paths.dir.iterdir()) == before
    delete(inspect("web", home, host), silent)
    assert not paths.dir.exists()
