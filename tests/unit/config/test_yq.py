# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions that yq and jq read alike, and what they make of a file."""

from __future__ import annotations

import pytest

from callao.config.run_jq import JqFailed, run_jq
from callao.config.yq import Unsupported, yq_to_jq
from callao.config.yq_edit import NotEdited, edited, form_of

TEXT = "# mine\na:\n  b: 1  # one\nl: [1, 2]\nx-y: yes\n"


@pytest.mark.parametrize(
    ("expression", "jq"),
    [
        (".", "."),
        (".a.b", '.["a"]["b"]'),
        (".features.containerd-snapshotter = true", '.["features"]["containerd-snapshotter"] = (true)'),
        ('.a["b c"][0] = "x"', '.["a"]["b c"][0] = ("x")'),
        ('."a.b" = null', '.["a.b"] = (null)'),
        ('.l += ["x", "y"] | del(.a)', '.["l"] += ([("x"), ("y")]) | del(.["a"])'),
        (".l[] |= . + 1", '.["l"][]? |= ((. + 1))'),
        ('.a = {"b": [], "c": {}}', '.["a"] = ({"b": ([]), "c": ({})})'),
        ('(.l[] | select(.n == "x")).v = -1.5', '(.["l"][]? | select((.["n"] == "x")))["v"] = (-1.5)'),
        ('.a = (.b == 1 and .c != "d")', '.["a"] = (((.["b"] == 1) and (.["c"] != "d")))'),
        ('. * {"a": 1}', '(. * {"a": (1)})'),
    ],
)
def test_what_both_read_alike_is_spelled_for_jq(expression: str, jq: str) -> None:
    assert yq_to_jq(expression) == jq


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "a value is expected"),
        (".a = 1 2", "'2' stands where nothing more is expected"),
        (".a = .b and .c", "'and' and 'or' beside '=' bind otherwise"),
        (".a and .b or .c", "'and' beside 'or'"),
        (".a | .b and .c", "beside '|'"),
        (".a = 1 + 2 * 3", "two kinds of arithmetic"),
        (".a + 1 == 2", "arithmetic beside '=='"),
        ('.a == "b*"', "is a pattern to yq"),
        (".a* = 1", r"a key with \* is a pattern"),
        (".a += .b", "is looked up elsewhere in yq"),
        ("..", "'..' is not of both"),
        (".a = env(HOME)", "'env' reads the environment or files"),
        ('.a = load("/etc/passwd")', "'load' reads"),
        ("$ENV.HOME", "is not of both"),
        ('import "x" as y; .', "is not of both"),
        ("keys", "'keys' is not of both"),
        ("with(.a; .b = 1)", "is not of both"),
        ("if .a then 1 end", "'if' is not of both"),
        ('.a = "\\(.b)"', "has an escape"),
        (".a = {b: 1}", "is no text in quotes"),
        ('.a = {"b": 1, "b": 2}', "stands twice"),
        (".a = (1", "'\\)' is expected"),
        ("(" * 40 + "1" + ")" * 40, "levels deep"),
    ],
)
def test_what_they_read_otherwise_is_refused_by_name(expression: str, words: str) -> None:
    with pytest.raises(Unsupported, match=words):
        yq_to_jq(expression)


def test_comments_and_style_of_yaml_stay() -> None:
    assert edited(TEXT, ".a.b = 2 | .c = true", "yaml") == (
        "# mine\na:\n  b: 2  # one\nl: [1, 2]\nx-y: yes\nc: true\n"
    )


def test_a_file_that_is_so_already_stays_as_it_is_written() -> None:
    assert edited('{"a":\n1}', ".a = 1", "json") == '{"a":\n1}'


@pytest.mark.parametrize(
    ("text", "form", "after"),
    [
        (None, "json", '{\n  "a": "ñ"\n}\n'),
        ("", "yaml", "a: ñ\n"),
        ('{"b": [1]}', "json", '{\n  "b": [\n    1\n  ],\n  "a": "ñ"\n}\n'),
        ("# nothing yet\n", "yaml", "a: ñ\n"),
    ],
)
def test_a_file_is_written_in_its_form(text: str | None, form: str, after: str) -> None:
    assert edited(text, '.a = "ñ"', form) == after


def test_a_root_may_be_any_value() -> None:
    assert edited("- 1\n- 2\n", ". += [3]", "yaml") == "- 1\n- 2\n- 3\n"
    assert edited("a: 1\n", ".a", "yaml") == "1\n"


@pytest.mark.parametrize(
    ("text", "expression", "form", "words"),
    [
        ("a: [", ".", "yaml", "the file is not yaml"),
        ("{", ".", "json", "the file is not json"),
        ("a: 1\n---\nb: 2\n", ".", "yaml", "more than one YAML document"),
        ("a: 1\n", ".a.b = 1", "yaml", "Cannot index number"),
        ("a: [1, 2]\n", ".a[]", "yaml", "comes to 2 values"),
        ("a: 1\na: 2\n", ".", "yaml", "second time"),
    ],
)
def test_what_cannot_be_edited_says_why(text: str, expression: str, form: str, words: str) -> None:
    with pytest.raises(NotEdited, match=words):
        edited(text, expression, form)


@pytest.mark.parametrize(
    ("form", "path", "told"),
    [
        ("auto", "/etc/docker/daemon.json", "json"),
        ("auto", "/etc/x.yml", "yaml"),
        ("auto", "/etc/x.conf", "yaml"),
        ("auto", "/etc/config.toml", "toml"),
        ("json", "/etc/x.conf", "json"),
    ],
)
def test_the_form_is_told_by_the_name(form: str, path: str, told: str) -> None:
    assert form_of(form, path) == told


def test_jq_sees_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    assert "SECRET" not in run_jq("env", None)[0]


def test_jq_is_bounded() -> None:
    with pytest.raises(JqFailed, match="takes more than"):
        run_jq('"x" * 1e9', None)
