# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao snapshot`` on an instance that is off: its disk kept, returned to, listed, forgotten."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import yaml
from cli.conftest import Line

from callao.cli.arguments import complete
from callao.cli.commands.snapshot import _AGES, _SIZES, _in_units
from callao.instances import InstancePaths, MachineLayout
from callao.instances.records import write_json
from callao.snapshots import RequiredMachine, Snapshot

Box = Callable[..., Path]


@pytest.fixture
def web(callao: Line, box: Box) -> InstancePaths:
    assert callao("create", "--name", "web", str(box())).status == 0
    return InstancePaths(callao.home / "web")


def write(paths: InstancePaths, word: str) -> None:
    """As the guest would, at the beginning of its disk."""
    argv = ["qemu-io", "-c", f"write -P {ord(word)} 0 512", str(paths.disk)]
    subprocess.run(argv, check=True, capture_output=True)


def holds(paths: InstancePaths, word: str) -> bool:
    argv = ["qemu-io", "-c", f"read -P {ord(word)} 0 512", str(paths.disk)]
    return (
        "verification failed" not in subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    )


def test_the_disk_returns_to_each_moment(callao: Line, web: InstancePaths) -> None:
    for word in "ab":
        write(web, word)
        done = callao("snapshot", "create", "web", "--tag", word)
        assert (done.status, done.out) == (0, "")
        assert f"Kept web as {word}: its disk." in done.err
    write(web, "c")
    for word in "aba":
        done = callao("snapshot", "apply", "web", "--tag", word)
        assert (done.status, f"web is as it was at {word}." in done.err) == (0, True)
        assert holds(web, word)
    done = callao("snapshot", "delete", "web", "--tag", "a")
    assert (done.status, done.err) == (0, "Deleted a of web.\n")
    assert callao("snapshot", "list", "web", "-q").out == "b\n"
    assert callao("snapshot", "apply", "web", "--tag", "b").status == 0
    assert holds(web, "b")


def test_a_table_shows_what_is_in_each_and_how_old_it_is(callao: Line, web: InstancePaths) -> None:
    callao("snapshot", "create", "web", "--tag", "new")
    bound = RequiredMachine(arguments=(), layout=MachineLayout(8))
    (web.snapshots / "old").mkdir()
    (web.snapshots / "old" / "memory").write_bytes(b"x" * 3 * 2**20)
    old = Snapshot(name="old", layer="disk.9", machine=bound, created=1.0)
    write_json(web.snapshots / "old" / "snapshot.json", old)
    done = callao("snapshot", "list", "web")
    rows = [line.split() for line in done.out.splitlines()]
    assert (done.status, done.err, rows[0]) == (0, "", ["TAG", "MEMORY", "SIZE", "AGE"])
    assert rows[1][:3] == ["old", "yes", "3MiB"]
    assert rows[2][:2] == ["new", "no"]
    assert (rows[1][3][-1], rows[2][3][-1]) == ("d", "s")


def test_programs_get_bytes_and_seconds(callao: Line, web: InstancePaths) -> None:
    callao("snapshot", "create", "web", "--tag", "a")
    (line,) = callao("snapshot", "list", "web", "--format", "json").out.splitlines()
    entry = json.loads(line)
    assert (entry["name"], entry["memory"], entry["created"][-1]) == ("a", False, "Z")
    assert entry["size"] > 0
    assert 0 <= entry["age"] < 60
    loaded = yaml.safe_load(callao("snapshot", "list", "web", "--format", "yaml").out)
    assert loaded.keys() == entry.keys()
    assert callao("snapshot", "list", "web", "-f", "{{.Tag}} {{.Memory}}").out == "a false\n"
    assert callao("snapshot", "list", "web", "-f", "{{ name }}").out == "a\n"


def test_none_is_no_error_and_tells_how_to_begin(callao: Line, web: InstancePaths) -> None:
    done = callao("snapshot", "list", "web")
    assert (done.status, done.out) == (0, "")
    assert "callao snapshot create web --tag NAME" in done.err
    assert (
        callao("snapshot", "list", "web", "-q").out
        == callao("snapshot", "list", "web", "-f", "json").out
        == ""
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("create", "web", "--tag", "a"), "'web' has a snapshot 'a' already"),
        (("create", "web", "--tag", "a/b"), "'a/b': cannot be a snapshot's name"),
        (("create", "web"), "Missing option '--tag'"),
        (("create", "other", "--tag", "a"), "instance 'other' does not exist"),
        (("apply", "web", "--tag", "b"), "'web' has no snapshot 'b' (there are: a)"),
        (("delete", "web", "--tag", "b"), "'web' has no snapshot 'b' (there are: a)"),
        (("list", "other"), "instance 'other' does not exist"),
        (("list", "web", "--format", "{{.Name}}"), "no field 'Name' (allowed: Tag, Created"),
        (("list", "web", "--format", "{{ tag }}"), "The fields are Tag, Created, Age, Memory, Size."),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(
    callao: Line, web: InstancePaths, line: tuple[str, ...], words: str
) -> None:
    callao("snapshot", "create", "web", "--tag", "a")
    done = callao("snapshot", *line)
    assert (done.status, done.out) == (1, "")
    assert words in done.err
    assert callao("snapshot", "list", "web", "-q").out == "a\n"


def test_a_shell_completes_the_tags_of_that_instance(callao: Line, web: InstancePaths) -> None:
    for tag in ("pristine", "prepared", "other"):
        callao("snapshot", "create", "web", "--tag", tag)
    ctx = click.Context(click.Command("apply"))
    option = click.Option(["--tag"])
    ctx.params = {"instance": "web"}
    assert complete.tags(ctx, option, "pr") == ["pristine", "prepared"]
    for ctx.params in ({"instance": "none"}, {}, {"instance": None}):
        assert complete.tags(ctx, option, "") == []


@pytest.mark.parametrize(
    ("number", "units", "shown"),
    [
        (0, _SIZES, "0B"),
        (1023, _SIZES, "1023B"),
        (2**20, _SIZES, "1MiB"),
        (5 * 2**30 - 1, _SIZES, "4GiB"),
        (0, _AGES, "0s"),
        (119, _AGES, "1m"),
        (7200, _AGES, "2h"),
        (90 * 86400, _AGES, "90d"),
    ],
)
def test_people_get_units(number: int, units: tuple[tuple[int, str], ...], shown: str) -> None:
    assert _in_units(number, units) == shown
