# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances made: from every kind of reference, and none from a bad one."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from cli.conftest import Line

from callao.config import load
from callao.instances import Record
from callao.instances.records import read_json

Box = Callable[..., Path]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A web server of the test's folder."""
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_address[1]}"
    served.shutdown()
    served.server_close()


def template_of(callao: Line, name: str) -> str:
    record = read_json(callao.home / name / "callao.json", Record)
    assert record is not None
    return record.template


def test_from_a_file_named_after_it(callao: Line, box: Box) -> None:
    path = box()
    done = callao("create", "box.yaml")
    assert (done.status, done.out) == (0, "")
    assert callao.names() == ["box"]
    assert template_of(callao, "box") == str(path)
    assert callao("list").out.splitlines()[1].split()[1] == "Stopped"


def test_a_new_one_tells_limas_own_tools_whose_defaults_it_has(callao: Line, box: Box) -> None:
    box()
    assert callao("create", "box.yaml").status == 0
    followed = json.loads(callao("info").out)["limaVersion"]
    assert callao("list", "--format", "{{.LimaVersion}}").out == f"{followed}\n"


def test_from_a_file_with_a_name_of_its_own(callao: Line, box: Box) -> None:
    assert callao("create", "--name", "web", str(box())).status == 0
    assert callao("create", "--name=api", f"file://{box()}").status == 0
    assert callao.names() == ["api", "web"]


def test_from_a_name_among_the_users_templates(callao: Line, box: Box) -> None:
    (callao.home / "_templates").mkdir()
    (callao.home / "_templates" / "mine.yaml").write_text(box().read_text())
    assert callao("create", "mine").status == 0
    assert callao("create", "--name", "web", "template:mine").status == 0
    assert callao.names() == ["mine", "web"]
    assert template_of(callao, "web") == "template:mine"


def test_from_folders_of_templates_named_by_the_environment(
    callao: Line, box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "ours"
    folder.mkdir()
    (folder / "team.yaml").write_text(box().read_text())
    monkeypatch.setenv("LIMA_TEMPLATES_PATH", str(folder))
    assert "team" in callao("template", "list").out.split()
    assert callao("create", "team").status == 0


def test_from_standard_input(callao: Line, box: Box) -> None:
    done = callao.process("create", "--name", "web", "-", input=box().read_text())
    assert done.status == 0, done.err
    assert callao.names() == ["web"]
    assert template_of(callao, "web") == ""
    done = callao.process("create", "-", input=box().read_text())
    assert done.status == 1
    assert "--name: is needed with a template from standard input." in done.err


def test_from_a_server(callao: Line, box: Box, server: str) -> None:
    box()
    done = callao("create", f"{server}/box.yaml")
    assert done.status == 0, done.err
    assert callao.names() == ["box"]
    assert template_of(callao, "box") == f"{server}/box.yaml"


def test_start_of_a_server_that_knows_it_not_makes_nothing(callao: Line, server: str) -> None:
    done = callao("create", f"{server}/none.yaml")
    assert done.status == 1
    assert "404" in done.err
    assert callao.names() == []


def test_a_name_that_is_taken_is_refused_with_what_to_do(callao: Line, box: Box) -> None:
    callao.write("web")
    before = (callao.home / "web" / "lima.yaml").read_bytes()
    for line in (["create"], ["start"]):
        done = callao(*line, "--name", "web", str(box()))
        assert done.status == 1
        assert "instance 'web' exists already. Start it with 'callao start web'" in done.err
    assert (callao.home / "web" / "lima.yaml").read_bytes() == before


@pytest.mark.parametrize("name", ["-", "a b", "../x", "a/b", ".a", "_a", "a..b", "x" * 77, "ü"])
def test_a_name_that_cannot_be_is_refused(callao: Line, box: Box, name: str) -> None:
    done = callao("create", f"--name={name}", str(box()))
    assert done.status == 1
    assert f"name: {name!r}" in done.err
    assert list(callao.home.iterdir()) == []


def test_an_empty_name_is_the_templates(callao: Line, box: Box) -> None:
    assert callao("create", "--name=", str(box())).status == 0
    assert callao.names() == ["box"]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("nothing", "template: 'nothing' is neither built in nor in"),
        ("./nothing.yaml", "there is no file"),
        ("ftp://x/y.yaml", "template: 'ftp://x/y.yaml' is not known"),
        ("/", "template: '/'"),
    ],
)
def test_a_reference_that_leads_nowhere_makes_nothing(callao: Line, reference: str, words: str) -> None:
    for command in ("create", "start"):
        done = callao(command, reference)
        assert (done.status, done.out) == (1, "")
        assert words in done.err
    assert list(callao.home.iterdir()) == []


def test_start_of_an_unknown_name_tells_the_instances_too(callao: Line) -> None:
    callao.write("web")
    done = callao("start", "wbe")
    assert done.status == 1
    assert "There is no instance 'wbe' either (existing: web)." in done.err


@pytest.mark.parametrize("text", ["cpus: [", "cpus: many", "nothing: 1", "images: []", "\0", "- a"])
def test_a_file_with_mistakes_makes_nothing(callao: Line, tmp_path: Path, text: str) -> None:
    (tmp_path / "box.yaml").write_text(text)
    done = callao("create", "box.yaml")
    assert (done.status, done.out) == (1, "")
    assert "Traceback" not in done.err
    assert callao.names() == []


def test_standard_input_that_is_no_text_is_one_line(callao: Line) -> None:
    import subprocess
    import sys

    argv = [sys.executable, "-m", "callao.cli.main", "create", "--name", "web", "-"]
    done = subprocess.run(argv, input=b"\xff\xfe", capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"callao: ")
    assert b"Traceback" not in done.stderr


def test_an_image_that_is_not_there_leaves_nothing(callao: Line, box: Box, tmp_path: Path) -> None:
    path = box()
    (tmp_path / "image.raw").unlink()
    done = callao("create", str(path))
    assert done.status == 1
    assert "image.raw is not a file on this machine" in done.err
    assert callao.names() == []
    assert not list(callao.home.glob(".*"))


def test_flags_are_in_what_is_made_and_the_template_stays(callao: Line, box: Box) -> None:
    path = box()
    before = path.read_bytes()
    assert callao("create", str(path), "--cpus", "2", "--disk", "0.5").status == 0
    written = load((callao.home / "box" / "lima.yaml").read_text(), "it")
    assert (written["cpus"], written["disk"]) == (2, 2**29)
    assert path.read_bytes() == before


def test_the_templates_comments_are_in_what_is_made(callao: Line, box: Box) -> None:
    path = box()
    (line,) = (line for line in path.read_text().splitlines() if line.startswith("cpus:"))
    path.write_text("# my box\n" + path.read_text().replace(line, f"{line}  # one") + "# the end\n")
    assert callao("create", str(path), "--cpus", "2").status == 0
    written = (callao.home / "box" / "lima.yaml").read_text()
    assert written.startswith("# my box\n")
    assert "cpus: 2  # one\n" in written
    assert written.endswith("# the end\n")


def test_the_templates_are_listed_by_create_and_start(callao: Line) -> None:
    for command in ("create", "start"):
        out = callao(command, "--list-templates").out.split()
        assert "debian-12" in out
        assert "default" in out
    assert list(callao.home.iterdir()) == []


def test_offline_is_told_and_nothing_is_fetched(
    callao: Line, box: Box, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    box()
    monkeypatch.setenv("CALLAO_OFFLINE", "1")
    done = callao("create", f"{server}/box.yaml")
    assert done.status == 1
    assert "offline" in done.err
    monkeypatch.setenv("CALLAO_OFFLINE", "perhaps")
    done = callao("create", f"{server}/box.yaml")
    assert done.status == 1
    assert "CALLAO_OFFLINE" in done.err
    assert callao.names() == []
