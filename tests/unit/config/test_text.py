# SPDX-License-Identifier: GPL-3.0-or-later
"""Text, sizes, names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callao.config import check_name, dump, format_size, has_more_documents, load, parse_size
from callao.config.names import check_socket_path
from callao.errors import ConfigError

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\n"), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
"""Two to the power of sixty values."""


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_what_is_dumped_is_what_is_loaded(document: dict[str, Any]) -> None:
    assert load(dump(document), "test") == document


def test_scripts_are_dumped_as_blocks() -> None:
    assert dump({"script": "#!/bin/sh\necho hi\n"}) == "script: |\n  #!/bin/sh\n  echo hi\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: |-\n  x  \n", "x"),
        ("a: >-\n  x\n  y \t \n", "x y \t"),
        ("a: |\n  x  \n", "x  \n"),
        ("a: |+\n  x  \n\n", "x  \n\n"),
        ("a: |\n  x  ", "x"),
        ("a: 'x  '\n", "x  "),
    ],
)
def test_spaces_at_the_end_of_a_block_go_with_its_line_break(text: str, value: str) -> None:
    assert load(text, "x") == {"a": value}


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("a: 1\n", False),
        ("---\na: 1\n", False),
        ("---\na: 1\n...\n", False),
        ("a: |\n  ---\n", False),
        ("a: 1\n---\nb: 2\n", True),
        ("a: 1\n--- b\n", True),
        ("a: 1\n---\n", True),
        ("a: 1\n...\n---\nb: 2\n", True),
    ],
)
def test_documents_behind_the_first_are_seen(text: str, more: bool) -> None:
    assert load(text, "x")["a"] is not None
    assert has_more_documents(text) is more


@pytest.mark.parametrize("letter", ["\x85", "\u2028", "\u2029"])
def test_what_breaks_lines_in_yaml_1_1_alone_is_text(letter: str) -> None:
    script = f"a{letter}b\n  c\ue000\n"
    assert load(f"a: {letter}x{letter}y\nb: &b |\n  a{letter}b\n    c\ue000\nc: *b\n", "x") == {
        "a": f"{letter}x{letter}y",
        "b": script,
        "c": script,
    }


def test_a_null_character_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"^x.yaml:2:4: .*U\+0000"):
        load('a: 1\nb: "\\0"\n', "x.yaml")


@pytest.mark.parametrize("levels", [65, 100_000])
def test_a_document_that_is_too_deep_is_refused_by_its_depth(levels: int) -> None:
    with pytest.raises(ConfigError, match="64 levels"):
        load(f"a: {'[' * levels}{']' * levels}\n", "x.yaml")


def test_more_values_than_a_configuration_has_are_not_read_to_their_end() -> None:
    with pytest.raises(ConfigError, match="at most 100000 values"):
        load(f"a: [{'1,' * 300_001}]\n", "x.yaml")


def test_an_empty_file_is_an_empty_document() -> None:
    assert load("", "x") == {}
    assert load("# only a comment\n", "x") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cpus: [1", r"^x.yaml:\d+:\d+: .*not YAML"),
        ("a:\n\tb: 1\n", "^x.yaml:2:1: "),
        ("cpus: 1\ncpus: 2\n", "^x.yaml:2:1: cpus: .*second time"),
        ("ssh:\n  localPort: 1\n  localPort: 2\n", "^x.yaml:3:3: localPort: "),
        ("- a\n", "a mapping"),
        ("just text", "a mapping"),
        ("1: 2\n", "a mapping"),
        ("!!python/object:os.system {}", "x.yaml"),
        ("a: &a [*a, *b]", "x.yaml"),
        ("\x00", "x.yaml"),
        ("? [a, b]\n: 1\n", "x.yaml"),
        ("? {a: b}\n: 1\n", "x.yaml"),
        ("a: !!float {}", "x.yaml"),
        ("a: !!int ''", "x.yaml"),
        ("a: !!bool x", "x.yaml"),
        ("a: &a [*a]", "aliases"),
        ("a: &a {b: *a}", "aliases"),
        ("a: " + "[" * 5000, "x.yaml"),
        (LAUGHS, "aliases"),
        ("a: " + "[" * 300 + "]" * 300, "64 levels"),
        ("a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 300)), "64 levels"),
        ("a: " + "{a: " * 300 + "1" + "}" * 300, "64 levels"),
    ],
)
def test_what_is_no_lima_yaml_is_told_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(text, "x.yaml")


def test_what_is_deep_or_said_often_but_within_reason_is_read() -> None:
    assert load("a: " + "[" * 60 + "]" * 60, "x")["a"]
    assert load("a: &a [1, 2]\nb: [*a, *a]\n", "x")["b"] == [[1, 2], [1, 2]]


def test_a_merged_key_may_be_said_again() -> None:
    text = "x: &x {a: 1}\nb: {n: &y {<<: *x, a: 2}}\nc: {<<: *y}\n"
    assert load(text, "x") == {"x": {"a": 1}, "b": {"n": {"a": 2}}, "c": {"a": 2}}


@pytest.mark.parametrize(
    ("text", "merged"),
    [
        ("x: &x {a: 1}\ny: &y {<<: *x, a: 2}\nc: {<<: *y}\n", {"a": 2}),
        ("x: &x {a: 1}\ny: &y {a: 2, <<: *x}\nc: {<<: *y}\n", {"a": 2}),
        ("x: &x {a: 1, b: 1}\ny: &y {a: 2}\nc: {<<: [*y, *x]}\n", {"a": 2, "b": 1}),
        ("x: &x {a: 1}\ny: &y {<<: *x}\nz: &z {<<: *y, a: 3}\nc: {<<: [*z, *x], b: 4}\n", {"a": 3, "b": 4}),
        ("c: {<<: {a: 1, <<: {a: 2, b: 2}}, b: 3}\n", {"a": 1, "b": 3}),
        ("c: {<<: []}\n", {}),
    ],
)
def test_what_is_merged_is_below_what_a_mapping_says_itself(text: str, merged: dict[str, int]) -> None:
    assert load(text, "x")["c"] == merged


@pytest.mark.parametrize("value", ["1", "[1]", "[[{a: 1}]]", "text"])
def test_what_is_no_mapping_is_not_merged(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^x:1:\d+: .*<< takes mappings"):
        load(f"a: {{<<: {value}}}\n", "x")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (1024, 1024), ("1024", 1024), ("1KiB", 1024), ("1K", 1024), ("1kb", 1024), ("4GiB", 4 * 2**30),
        ("4 GiB", 4 * 2**30), ("0.5GiB", 2**29), ("1TiB", 2**40), ("9GB", 9 * 2**30), ("0", 0), ("8b", 8),
    ],
)  # fmt: skip
def test_sizes_are_binary(text: str | int, number: int) -> None:
    assert parse_size(text) == number


@pytest.mark.parametrize(
    "text", ["", "GiB", "4 parsecs", "-1GiB", -1, True, None, 1.5, "1iB", "1e9999", "4  GiB", "4Gi", " 4GiB"]
)
def test_what_is_no_size_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_size(text)


@given(st.integers(0, 2**50))
def test_a_size_written_is_a_size_read(number: int) -> None:
    assert parse_size(format_size(number)) == number


@pytest.mark.parametrize("name", ["a", "web", "web-1", "a.b_c-d", "A1", "0", "w" * 76])
def test_names_that_may_be(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", ".a", "_a", "a..b", "a/b", "../a", "a b", "a\n", "ä", "a" * 77, "$(x)", "a;b"]
)
def test_names_that_may_not_be(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^name: .*allowed: "):
        check_name(name)


def test_a_folder_too_deep_for_sockets_says_what_fits() -> None:
    check_socket_path(Path("/home/ann/.lima/web"))
    with pytest.raises(ConfigError, match=r"too long for unix sockets.*at most \d+ bytes"):
        check_socket_path(Path("/home/" + "x" * 80 + "/web"))
