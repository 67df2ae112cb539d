# SPDX-License-Identifier: GPL-3.0-or-later
"""yq's expressions in ``list`` and ``info``, and ``limactl yq``."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import Any

import pytest
import yaml
from cli.conftest import Line

from callao.cli.programs import yq
from callao.cli.terminal.coloured import coloured_json, coloured_yaml
from callao.config.yq_expression import YqError, evaluate_yq

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def three(callao: Line) -> Line:
    for name, disk in (("foo", "1M"), ("bar", "2M"), ("baz", "3M")):
        callao.write(name, disk=disk)
    return callao


@pytest.mark.parametrize(
    ("line", "out"),
    [
        (["--yq", ".name"], "bar\nbaz\nfoo\n"),
        (["foo", "bar", "--yq", ".name"], "foo\nbar\n"),
        (["baz", "--yq", ".config", "--yq", ".disk"], "3M\n"),
        (["--yq", "select(.disk > 2048*1024)", "--yq", 'select(.name|test("z"))', "--yq", ".name"], "baz\n"),
        (["-q", "--yq", 'select(.name == "foo")'], "foo\n"),
        (["-q", "--filter", '.name == "foo"'], "foo\n"),
        (["-q", "-l", '.name == "foo"', "-l", '.disk == "1M"'], ""),
        (["-q", "-l", '.name == "foo"', "-l", '.disk == "1048576"'], "foo\n"),
        (["-q", "--filter=.cpus == 9"], ""),
        (["--filter", '.name == "foo"', "--format", "{{.Name}} {{.Disk}}"], "foo 1048576\n"),
        (["foo", "--yq", "{name, cpus}"], '{"name":"foo","cpus":2}\n'),
        (["foo", "--yq", "{name, cpus}", "--format", "yaml"], "---\nname: foo\ncpus: 2\n"),
        (["foo", "--yq", ".cpus, .protected"], "2\nfalse\n"),
    ],
)  # fmt: skip
def test_a_list_is_queried_and_filtered(three: Line, line: list[str], out: str) -> None:
    done = three("list", *line)
    assert (done.out, done.err, done.status) == (out, "", 0)


@pytest.mark.parametrize(
    ("expression", "document", "results"),
    [
        (".nope[].x", {}, []),
        ("[.a[]]", {"a": None}, [[]]),
        (".a-b", {"a-b": 1}, [1]),
        ("keys", {"b": 1, "a": 2}, [["b", "a"]]),
        ("unique", [3, 1, 3], [[3, 1]]),
        ("unique_by(.a)", [{"a": 1, "b": 0}, {"a": 1}], [[{"a": 1, "b": 0}]]),
        ("group_by(.a)", [{"a": 2}, {"a": 1}, {"a": 2}], [[[{"a": 2}, {"a": 2}], [{"a": 1}]]]),
        ('.m == "1*"', {"m": "1GiB"}, [True]),
        ('.m != "?GiB"', {"m": "1GiB"}, [False]),
        ('.m == "1.*"', {"m": "1GiB"}, [False]),
        ('.m | sub("(?i)gib", "MiB")', {"m": "1GiB"}, ["1MiB"]),
        (".m | type", {"m": "1"}, ["!!str"]),
        (".m | upcase, (. | downcase), kind", {"m": "aB"}, ["AB", "ab", "scalar"]),
        ("filter(. > 1) | any_c(. == 3), all_c(. == 3)", [1, 2, 3], [True, False]),
        ('pick(["b"]), omit(["b"])', {"a": 1, "b": 2}, [{"b": 2}, {"a": 1}]),
        ("[.x[] | trim | to_number]", {"x": [" 1 "]}, [[1]]),
        ('with(.a; .b = "[]")', {}, [{"a": {"b": "[]"}}]),
        (".a = [] | .b = [1]", {}, [{"a": [], "b": [1]}]),
        ("to_json(0), (.a | from_json)", {"a": "[1]"}, ['{"a":"[1]"}', [1]]),
    ],
)
def test_an_operator_of_yqs_is_evaluated(expression: str, document: object, results: list[Any]) -> None:
    assert evaluate_yq(expression, document) == results


def test_keys_are_sorted_deeply() -> None:
    (found,) = evaluate_yq("sort_keys(..)", {"b": 1, "a": {"d": 1, "c": 2}})
    assert json.dumps(found) == '{"a": {"c": 2, "d": 1}, "b": 1}'


def test_a_filter_that_is_none_is_named(three: Line) -> None:
    done = three("list", "--filter", "foo")
    assert (done.status, done.out) == (1, "")
    assert "failed to apply filter: " in done.err
    assert "invalid input" in done.err


def test_a_filter_chooses_rows_of_the_table(three: Line) -> None:
    lines = three("list", "--filter", '.name == "foo"').out.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "foo"]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_on_a_terminal_data_is_coloured_and_the_same(
    three: Line, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    plain = three("list", "foo", "bar", "--format", form).out
    monkeypatch.setenv("_LIMA_OUTPUT_IS_TTY", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = three("list", "foo", "bar", "--format", form).out
    assert "\x1b[0m" in coloured
    bare = ANSI.sub("", coloured)
    if form == "yaml":
        assert bare == plain
    else:
        assert [*yq._json_values(bare)] == [json.loads(line) for line in plain.splitlines()]
    monkeypatch.setenv("NO_COLOR", "1")
    assert three("list", "foo", "bar", "--format", form).out == plain


@pytest.mark.parametrize(
    "value", [{}, [], {"a": []}, {"a": {"b": [1, "x", None, True, {"c": "ü"}]}}, "x", 1.5]
)
def test_colours_change_no_value(value: Any) -> None:
    assert json.loads(ANSI.sub("", coloured_json(value))) == value
    text = yaml.safe_dump(value)
    assert ANSI.sub("", coloured_yaml(text)) == text


def test_a_block_of_text_keeps_its_lines() -> None:
    text = "a: |\n  b: 1\n  'c'\n\nd:\n- e: >-\n    x\n    y\n"
    assert ANSI.sub("", coloured_yaml(text)) == text


@pytest.mark.parametrize(
    ("expression", "document", "results"),
    [
        ('.a == "1"', {"a": 1}, [True]),
        ('.a != "1"', {"a": 1}, [False]),
        (".a == true", {"a": "true"}, [True]),
        (".a == [1]", {"a": [1]}, [True]),
        (".a | tag", {"a": 1}, ["!!int"]),
        (".a | tag", {"a": 1.5}, ["!!float"]),
        (".foo = 42", None, [{"foo": 42}]),
        ('.x == "env(HOME)"', {"x": "env(HOME)"}, [True]),
        (".env.A", {"env": {"A": "b"}}, ["b"]),
        (".load", {"load": 1}, [1]),
    ],
)
def test_an_expression_means_what_it_means_to_yq(expression: str, document: Any, results: list[Any]) -> None:
    assert evaluate_yq(expression, document) == results


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("env(HOME)", "env operations have been disabled"),
        ("strenv(HOME)", "env operations have been disabled"),
        (".a | env (HOME)", "env operations have been disabled"),
        ("env.HOME", "env operations have been disabled"),
        ("$ENV.HOME", "env operations have been disabled"),
        ('"\\(env)"', "env operations have been disabled"),
        ("envsubst", "env operations have been disabled"),
        ('load("/etc/passwd")', "file operations have been disabled"),
        ('load_str("/etc/passwd")', "file operations have been disabled"),
        ('import "a" as a; .', "file operations have been disabled"),
        ("input", "file operations have been disabled"),
        ('system("id")', "system operations are disabled"),
        ("foo", "is invalid input"),
        (".a |", "is invalid input"),
    ],
)
def test_an_expression_reads_nothing_but_the_document(expression: str, words: str) -> None:
    with pytest.raises(YqError, match=re.escape(words)):
        evaluate_yq(expression, {"a": 1})


@pytest.fixture
def limactl(callao: Line, monkeypatch: pytest.MonkeyPatch) -> Line:
    """Under limactl's name, without a yq on PATH."""
    monkeypatch.setattr(sys, "argv", ["limactl"])
    monkeypatch.setenv("PATH", str(callao.home))
    monkeypatch.setenv("FOO", "bar")
    return callao


@pytest.mark.parametrize(
    ("line", "text", "out"),
    [
        (["-n", ".foo=42"], "", "foo: 42\n"),
        (["-n", "-o", "json", "-I", "0", ".foo=42"], "", '{"foo":42}\n'),
        (["-n", "-oj", "-I0", ".foo=42"], "", '{"foo":42}\n'),
        (["-n", "env(FOO)"], "", "bar\n"),
        (["-n", 'strenv(FOO) + "env(FOO)"'], "", "barenv(FOO)\n"),
        (["-r", ".a.b"], "a: {b: v1.35}\n", "v1.35\n"),
        (["true"], "a: 1\n---\nb: 2\n", "true\ntrue\n"),
        (["."], "a: 1\n---\nb: 2\n", "a: 1\n---\nb: 2\n"),
        (["--input-format", "json", "--output-format", "json", "--indent", "0", "."], '{"a":\n1} {"b":2}',
         '{"a":1}\n{"b":2}\n'),
        (["--input-format=yaml", "--output-format=json", "--indent=0"], "a: [x, 1]", '{"a":["x",1]}\n'),
        (['.disk = "1M"'], "{images: [location: /etc/profile]}",
         "images:\n- location: /etc/profile\ndisk: 1M\n"),
    ],
)  # fmt: skip
def test_without_a_yq_jq_answers(
    limactl: Line, monkeypatch: pytest.MonkeyPatch, line: list[str], text: str, out: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    done = limactl("yq", *line)
    assert (done.out, done.err, done.status) == (out, "", 0)


@pytest.mark.parametrize(
    ("value", "status"), [("0", 0), ('""', 0), ("false", 1), ("null", 1), ("null, 0", 0)]
)
def test_with_exit_status_a_result_of_null_or_false_is_a_failure(
    limactl: Line, value: str, status: int
) -> None:
    assert limactl("yq", "-n", "-e", value).status == status


def test_its_version_says_that_it_is_a_part(limactl: Line) -> None:
    assert re.match(r"yq \(the part of \S+mikefarah/yq/ .*\) version v", limactl("yq", "--version").out)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["-n", "foo"], "Error: 'foo' is invalid input: "),
        (["-n", "--security-disable-env-ops", "env(FOO)"], "Error: env operations have been disabled\n"),
        (["-n", 'system("id")'], "Error: system operations are disabled\n"),
        (["-n", "env(NONE_SUCH)"], "Error: value for env variable 'NONE_SUCH' not provided in env()\n"),
        (
            ["-i", ".", "file"],
            "Error: '-i' is an option of yq alone: install yq (github.com/mikefarah/yq)\n",
        ),
        (["-p", "xml"], "Error: the format 'xml' is one of yq alone (allowed: yaml, json)\n"),
        ([".", "/nowhere.yaml"], "Error: /nowhere.yaml: No such file or directory\n"),
    ],
)
def test_what_only_yq_can_do_is_refused(limactl: Line, line: list[str], words: str) -> None:
    done = limactl("yq", *line)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(words)


def test_a_yq_on_path_is_run_and_a_foreign_program_of_that_name_is_not(
    limactl: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{limactl.home.parent}/bin:/usr/bin:/bin")
    become: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda path, argv: become.append([path, *argv]))
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    path = limactl.program("yq", "#!/bin/sh\necho yq 3.1.0\n")
    limactl("yq", "-n", ".a")
    assert become == []
    path.write_text("#!/bin/sh\necho 'yq (https://github.com/mikefarah/yq/) version v4'\n")
    limactl("yq", "-n", ".a")
    assert become == [[str(path), "yq", "-n", ".a"]]
