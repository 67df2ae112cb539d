# SPDX-License-Identifier: GPL-3.0-or-later
"""Problems with the lines and columns of their text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callao.config import check_schema, effective, load, locate_problems
from callao.errors import ConfigError, Problem
from callao.host import Host, HostUser

HOST = Host("linux", "x86_64", 8, 16 * 2**30, HostUser("ann", 1001, "Ann", "/home/ann"), "Europe/Lisbon")

TEXT = """\
# a comment
images:
- location: /img.qcow2
cpus: 0
common: &common
  proto: sctp
portForwards:
  - {guestIP: x, guestPort: 80}
  - guestPort: 81
    <<: *common
hostResolver:
  hosts:
    a.b: 1
    a.b.c: [1]
mounts:
- writable: true
"é": 1
"""


def positions(*paths: str, layer: bool = False) -> list[tuple[int, int]]:
    problems = [Problem(path, None, "is wrong") for path in paths]
    return [(each.line, each.column) for each in locate_problems(problems, TEXT, layer=layer)]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("cpus", (4, 1)),
        ("images[0].location", (3, 3)),
        ("images[0]", (3, 3)),
        ("portForwards[0].guestIP", (8, 6)),
        ("portForwards[0].guestPort", (8, 18)),
        ("portForwards[1].proto", (6, 3)),
        ("hostResolver.hosts.a.b", (13, 5)),
        ("hostResolver.hosts.a.b.c", (14, 5)),
        ("hostResolver.hosts.a.b.c[0]", (14, 13)),
        ("é", (17, 1)),
        # what is missing stands at the nearest that is there
        ("mounts[0].location", (16, 3)),
        ("mounts[7].location", (15, 1)),
        ("portForwards[0].guestPortRange[1]", (8, 5)),
        ("cpu", (2, 1)),
        ("cpus.inner", (4, 1)),
        (".", (2, 1)),
    ],
)
def test_a_path_is_found_in_the_text(path: str, place: tuple[int, int]) -> None:
    assert positions(path) == [place]


def test_in_one_layer_of_several_only_what_is_its_own_is_found() -> None:
    assert positions("cpus", "memory", "mounts[0].location", layer=True) == [(4, 1), (0, 0), (0, 0)]
    problems = [Problem(f"portForwards[{index}].guestPort", 80, "is wrong") for index in (0, 1)]
    assert [each.line for each in locate_problems(problems, TEXT, layer=True)] == [8, 0]


def test_a_problem_that_has_its_place_keeps_it() -> None:
    assert locate_problems([Problem("cpus", 0, "is wrong", line=99, column=9)], TEXT)[0].line == 99


@pytest.mark.parametrize("text", ["", "a: [", "\x00", "# nothing"])
def test_text_that_holds_nothing_locates_nothing(text: str) -> None:
    problems = [Problem("cpus", 0, "is wrong")]
    assert locate_problems(problems, text) == problems


def test_errors_of_shape_and_of_rules_begin_with_file_line_and_column() -> None:
    text = "images: []\nportForwards:\n- guestIP: x\n  proto: sctp\n"
    document = load(text, "/x/lima.yaml")
    with pytest.raises(ConfigError) as caught:
        check_schema(document, source="/x/lima.yaml", text=text)
    assert str(caught.value) == (
        "/x/lima.yaml:4:3: portForwards[0].proto: 'sctp': is not known (allowed: tcp, udp, any)"
    )
    del document["portForwards"][0]["proto"]  # type: ignore[index]
    with pytest.raises(ConfigError) as caught:
        effective(document, HOST, name="web", instance_dir=Path("/h/web"), source="/x/lima.yaml", text=text)
    told = str(caught.value)
    assert "/x/lima.yaml:1:1: images: []: is empty" in told
    assert "/x/lima.yaml:3:3: portForwards[0].guestIP: 'x': is not an address (allowed: an IPv4" in told


def test_without_a_text_the_source_is_named_once() -> None:
    with pytest.raises(ConfigError) as caught:
        check_schema({"cpus": -1, "disk": "x"}, source="config")
    assert str(caught.value).startswith("config: cpus: -1: is out of range")
    assert str(caught.value).count("config: ") == 1


def test_without_a_source_a_problem_tells_its_line_in_words() -> None:
    assert str(Problem("cpus", 0, "is wrong", "more", 3, 7)) == (
        "line 3, column 7: cpus: 0: is wrong (allowed: more)"
    )


@given(st.text(max_size=40), st.text(max_size=12))
def test_nothing_breaks_the_search(text: str, path: str) -> None:
    assert [each.path for each in locate_problems([Problem(path, None, "is wrong")], text)] == [path]


def test_a_sound_document_never_pays_for_the_search() -> None:
    code = "import sys, callao.config; sys.exit('callao.config.positions' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
