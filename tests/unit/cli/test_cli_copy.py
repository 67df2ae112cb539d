# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of copy's arguments are an instance's, and which program copies them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from cli.conftest import Line

from callao.cli.commands.copy import Place, _choose, as_cp_copies, parse
from callao.errors import CallaoError


@pytest.mark.parametrize(
    ("text", "place", "argument"),
    [
        ("web:/etc/passwd", Place("/etc/passwd", "web"), "lima-web:/etc/passwd"),
        ("web:a b", Place("a b", "web"), "lima-web:a b"),
        ("web:", Place(".", "web"), "lima-web:."),
        ("web:a:b", Place("a:b", "web"), "lima-web:a:b"),
        ("a.b:x", Place("x", "a.b"), "lima-a.b:x"),
        ("web:~/x", Place("x", "web"), "lima-web:x"),
        ("web:~", Place(".", "web"), "lima-web:."),
        ("web:~/", Place(".", "web"), "lima-web:."),
        ("web:~ann/x", Place("~ann/x", "web"), "lima-web:~ann/x"),
        ("file", Place("file"), "file"),
        ("web", Place("web"), "web"),
        ("./a:b", Place("./a:b"), "./a:b"),
        ("/tmp/a:b", Place("/tmp/a:b"), "/tmp/a:b"),
        ("dir/a:b", Place("dir/a:b"), "./dir/a:b"),
        ("-x", Place("-x"), "-x"),
        (".", Place("."), "."),
    ],
)
def test_a_place_is_the_hosts_or_an_instances(text: str, place: Place, argument: str) -> None:
    found = parse(text, ["web", "a.b"])
    assert found == place
    assert found.argument == argument


@pytest.mark.parametrize(
    ("sources", "target", "directories", "given"),
    [
        (["foo"], "web:new", {"foo"}, ["foo/", "new"]),
        (["foo/"], "web:new", {"foo"}, ["foo/", "new"]),
        (["foo"], "web:new/", {"foo"}, ["foo/", "new/"]),
        (["foo"], "web:there", {"foo", "there"}, ["foo", "there"]),
        (["foo/"], "web:there/", {"foo", "there/"}, ["foo", "there/"]),
        (["file"], "web:new", set(), ["file", "new"]),
        (["foo/", "bar"], "web:new", {"foo", "bar"}, ["foo", "bar", "new"]),
        (["web:foo/"], "new", {"foo"}, ["foo/", "new"]),
        (["/"], "web:new", {"/"}, ["/", "new"]),
    ],
)
def test_directories_are_copied_as_cp_copies_them(
    sources: list[str], target: str, directories: set[str], given: list[str]
) -> None:
    places = [parse(each, ["web"]) for each in (*sources, target)]
    assert [each.path for each in as_cp_copies(places, lambda place: place.path in directories)] == given


def test_an_unknown_instance_is_told_with_how_to_name_a_file() -> None:
    with pytest.raises(CallaoError) as caught:
        parse("wbe:x", ["web"])
    assert "there is no instance 'wbe' (existing: web). For a file of the host write ./wbe:x" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["copy", "web:x"], "Give at least a source and a target."),
        (["copy", "a", "b"], "None of the paths is an instance's: write INSTANCE:PATH."),
        (["copy", "--backend", "ftp", "web:x", "."], "'ftp' is not one of 'auto', 'rsync', 'scp'"),
        (["copy", "--backend", "rsync", "web:x", "api:x"], "rsync cannot copy between two instances"),
    ],
)
def test_a_mistake_is_told(callao: Line, line: list[str], words: str) -> None:
    for name in ("web", "api"):
        callao.run(name).ssh_config.write_text("")
    done = callao(*line)
    assert done.status == 1
    assert words in done.err


@pytest.fixture
def ran(callao: Line) -> Path:
    """Where the programs in the place of ssh, scp and rsync write their arguments."""
    log = callao.home.parent / "log"
    for name in ("scp", "rsync"):
        callao.program(name, f'#!/bin/sh\nprintf "%s\\n" {name} "$@" >{log}\nexit 3\n')
    callao.program("ssh", "#!/bin/sh\nexit ${NO_RSYNC:-0}\n")
    callao.run("web").ssh_config.write_text("")
    callao.run("api").ssh_config.write_text("")
    return log


def test_rsync_copies_where_both_sides_have_it(callao: Line, ran: Path) -> None:
    assert callao("copy", "-r", "a b", "web:x y").status == 3
    assert ran.read_text().splitlines()[:3] == ["rsync", "-a", "-s"]
    assert ran.read_text().splitlines()[-3:] == ["--", "a b", "lima-web:x y"]


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not here")
@pytest.mark.parametrize("target", ["web:~/new name", "web:new name", "web:./new name"])
def test_rsync_itself_takes_the_names(callao: Line, tmp_path: Path, target: str) -> None:
    """Where ssh only runs what it is given, in a home of its own."""
    there = tmp_path / "there"
    there.mkdir()
    callao.program("ssh", f'#!/bin/sh\nshift 3\ncd {there}; HOME={there} exec sh -c "$*"\n')
    callao.run("web").ssh_config.write_text("")
    (tmp_path / "it's: ü").write_text("x")
    assert callao("copy", "--backend", "rsync", "./it's: ü", target).status == 0
    assert [path.name for path in there.iterdir()] == ["new name"]


def test_scp_copies_where_the_guest_has_no_rsync(
    callao: Line, ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_RSYNC", "1")
    callao("cp", "-v", "-r", "a", "web:")
    words = ran.read_text().splitlines()
    assert (words[0], words[3:]) == ("scp", ["-r", "--", "a", "lima-web:."])
    done = callao("copy", "--backend", "rsync", "a", "web:")
    assert "--backend: there is no rsync in web (allowed: auto, scp)." in done.err


def test_between_two_instances_scp_goes_through_the_host(callao: Line, ran: Path) -> None:
    callao("copy", "web:a", "api:b")
    words = ran.read_text().splitlines()
    assert (words[0], words[3:]) == ("scp", ["-q", "-3", "--", "lima-web:a", "lima-api:b"])


def test_without_rsync_on_the_host_scp_copies(
    callao: Line, ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (callao.home.parent / "bin" / "rsync").unlink()
    monkeypatch.setenv("PATH", os.pathsep.join([str(callao.home.parent / "bin"), str(callao.home / "none")]))
    assert shutil.which("rsync") is None
    assert _choose("auto", {}, [Place("x", "web"), Place(".")]) == "scp"
