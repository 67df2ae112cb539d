# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao mount`` on a stopped instance: what is kept for its next start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli.conftest import Line


def kept(callao: Line, name: str = "web") -> list[dict[str, Any]]:
    """What its lima.yaml says."""
    document = yaml.safe_load((callao.home / name / "lima.yaml").read_text())
    entries: list[dict[str, Any]] = document.get("mounts", [])
    return entries


@pytest.fixture
def src(tmp_path: Path) -> Path:
    folder = tmp_path / "src, 'x"
    folder.mkdir()
    return folder


def test_a_directory_is_kept_for_the_next_start(callao: Line, src: Path) -> None:
    callao.write("web", mountType="9p")
    done = callao("mount", "add", "web", str(src), "/srv/src", "--writable", "--persist")
    assert (done.status, done.out) == (0, "")
    assert kept(callao) == [{"location": str(src), "mountPoint": "/srv/src", "writable": True}]


def test_a_relative_directory_is_that_of_the_working_directory(callao: Line, src: Path) -> None:
    callao.write("web")
    assert callao("mount", "add", "web", f"./{src.name}", "--persist").status == 0
    assert kept(callao) == [{"location": str(src), "mountPoint": str(src), "writable": False}]


def test_a_second_add_says_that_it_is_there(callao: Line, src: Path) -> None:
    callao.write("web")
    line = ("mount", "add", "web", str(src), "/srv", "--persist")
    assert callao(*line).err.startswith(f"Mounted {src} at /srv")
    before = (callao.home / "web" / "lima.yaml").read_bytes()
    assert callao(*line).err.startswith(f"Mounted already: {src} at /srv")
    assert (callao.home / "web" / "lima.yaml").read_bytes() == before


def test_remove_takes_it_out_and_a_second_one_finds_nothing(callao: Line, src: Path) -> None:
    callao.write("web", mounts=[{"location": str(src), "mountPoint": "/srv/src"}])
    done = callao("mount", "remove", "web", "/srv/src", "--persist")
    assert (done.status, done.err) == (0, "Unmounted /srv/src.\n")
    assert kept(callao) == []
    done = callao("mount", "remove", "web", "/srv/src", "--persist")
    assert (done.status, done.err) == (0, "Nothing is mounted at /srv/src.\n")


def test_list_shows_what_the_next_start_mounts(callao: Line, src: Path) -> None:
    mounts = [{"location": str(src), "mountPoint": "/a", "writable": True}, {"location": "/data"}]
    callao.write("web", mountType="9p", mounts=mounts)
    assert callao("mount", "list", "web").out.splitlines() == [
        f"/a\t{src}\t9p\trw\tlima.yaml",
        "/data\t/data\t9p\tro\tlima.yaml",
    ]


def test_list_as_json_is_one_object_a_line(callao: Line, src: Path) -> None:
    callao.write("web", mountType="reverse-sshfs", mounts=[{"location": str(src)}])
    (line,) = callao("mount", "list", "web", "--json").out.splitlines()
    assert json.loads(line) == {
        "location": str(src), "mountPoint": str(src), "type": "reverse-sshfs",
        "writable": False, "hot": False,
    }  # fmt: skip


def test_one_without_mounts_lists_nothing(callao: Line) -> None:
    callao.write("web")
    done = callao("mount", "list", "web")
    assert (done.status, done.out, done.err) == (0, "", "")


def test_a_broken_one_says_why_it_cannot_be_listed(callao: Line) -> None:
    callao.write("web", mounts=[{"location": "relative"}])
    done = callao("mount", "list", "web")
    assert done.status == 1
    assert "instance 'web' is broken" in done.err
    assert "mounts[0].location: 'relative': is not absolute" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "web", "{src}", "/srv"), "not ready to mount something now. Start it"),
        (("add", "web", "{src}/none", "--persist"), "is not a directory of this host"),
        (("add", "web", "{src}", "srv", "--persist"), "mount_point: 'srv' is not absolute"),
        (("add", "web", "{src}", "/etc", "--persist"), "would cover the guest's own directory"),
        (("add", "web", "{src}", "--type", "nfs", "--persist"), "type: 'nfs' is not known (allowed: rev"),
        (("add", "other", "{src}", "--persist"), "'other'"),
        (("remove", "web", "srv", "--persist"), "mount_point: 'srv' is not absolute"),
        (("list", "other"), "'other'"),
    ],
)
def test_what_cannot_be_is_an_error_that_changes_nothing(
    callao: Line, src: Path, arguments: tuple[str, ...], words: str
) -> None:
    before = callao.write("web").lima_yaml.read_bytes()
    done = callao("mount", *(each.format(src=src) for each in arguments))
    assert done.status == 1
    assert words in done.err
    assert (callao.home / "web" / "lima.yaml").read_bytes() == before
