# SPDX-License-Identifier: GPL-3.0-or-later
"""What a list remembers of each lima.yaml, and when it looks again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.conftest import Line

from callao.host import Host
from callao.instances import index
from callao.instances.index import indexed_instances

HOST = Host.detect()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names whose lima.yaml was read."""
    seen: list[str] = []
    real = index._read_config

    def spy(name: str, home: Path, host: Host) -> index.IndexedConfig:
        seen.append(name)
        return real(name, home, host)

    monkeypatch.setattr(index, "_read_config", spy)
    return seen


def test_a_second_list_reads_no_lima_yaml(callao: Line, read: list[str]) -> None:
    callao.write("a")
    callao.write("b")
    first = indexed_instances(callao.home, HOST)
    assert read == ["a", "b"]
    assert indexed_instances(callao.home, HOST) == first
    assert read == ["a", "b"]


def test_a_changed_one_is_read_again(callao: Line, read: list[str]) -> None:
    callao.write("a")
    paths = callao.write("b")
    indexed_instances(callao.home, HOST)
    text = paths.lima_yaml.read_text()
    status = paths.lima_yaml.stat()
    paths.lima_yaml.write_text(text.replace("cpus: 2", "cpus: 3"))
    os.utime(paths.lima_yaml, ns=(status.st_atime_ns, status.st_mtime_ns))  # as cp --preserve leaves it
    assert [each.config.cpus for each in indexed_instances(callao.home, HOST)] == [2, 3]
    assert read == ["a", "b", "b"]


def test_what_is_gone_is_forgotten(callao: Line) -> None:
    callao.write("a")
    callao.write("b").lima_yaml.unlink()
    indexed_instances(callao.home, HOST)
    known = json.loads((callao.home / "_cache" / "instances.json").read_text())[1]
    assert list(known) == ["a"]


def test_a_broken_one_is_remembered_until_it_is_mended(callao: Line, read: list[str]) -> None:
    paths = callao.write("a", cpus="many")
    assert indexed_instances(callao.home, HOST)[0].errors
    assert indexed_instances(callao.home, HOST)[0].status == "Broken"
    assert read == ["a"]
    paths.lima_yaml.write_text(paths.lima_yaml.read_text().replace("many", "2"))
    assert indexed_instances(callao.home, HOST)[0].status == "Stopped"


@pytest.fixture
def bound(callao: Line) -> Iterator[None]:
    """As somebody whom permissions bind: root reads everything."""
    if os.geteuid() != 0:
        yield
        return
    nobody = 65534
    for folder in (callao.home.parent, callao.home):
        os.chown(folder, nobody, nobody)
    os.seteuid(nobody)
    try:
        yield
    finally:
        os.seteuid(0)


def test_one_that_becomes_readable_is_read_again(callao: Line, bound: None) -> None:
    paths = callao.write("a")
    paths.lima_yaml.chmod(0)
    assert indexed_instances(callao.home, HOST)[0].status == "Broken"
    paths.lima_yaml.chmod(0o644)
    assert indexed_instances(callao.home, HOST)[0].status == "Stopped"


def test_another_host_counts_for_itself(callao: Line, read: list[str]) -> None:
    from dataclasses import replace

    callao.write("a")
    indexed_instances(callao.home, HOST)
    indexed_instances(callao.home, replace(HOST, cpus=HOST.cpus + 1))
    assert read == ["a", "a"]


def test_whether_it_runs_is_never_remembered(callao: Line) -> None:
    callao.run("a")
    assert indexed_instances(callao.home, HOST)[0].status == "Running"
    callao.sleepers[0].kill()
    callao.sleepers[0].wait()
    assert indexed_instances(callao.home, HOST)[0].status == "Stopped"


@pytest.mark.parametrize("text", ["", "{", "[]", '["key", {"a": 3}]', "null", "\0"])
def test_a_damaged_memory_is_made_anew(callao: Line, text: str) -> None:
    callao.write("a")
    place = callao.home / "_cache" / "instances.json"
    place.parent.mkdir()
    place.write_text(text)
    assert [each.name for each in indexed_instances(callao.home, HOST)] == ["a"]
    assert "a" in json.loads(place.read_text())[1]


def test_a_list_works_where_nothing_can_be_written(callao: Line) -> None:
    callao.write("a")
    (callao.home / "_cache").write_text("in the way")
    assert callao("list", "-q").out == "a\n"
    assert (callao.home / "_cache").read_text() == "in the way"


def test_lists_at_the_same_time_agree(callao: Line) -> None:
    for number in range(30):
        callao.write(f"box{number:02}")
    argv = [sys.executable, "-m", "callao.cli.main", "list"]
    runs = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    outputs = {run.communicate()[0] for run in runs}
    assert len(outputs) == 1
    assert outputs.pop().count("Stopped") == 30
    assert not list((callao.home / "_cache").glob(".*"))
