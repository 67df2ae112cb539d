# SPDX-License-Identifier: GPL-3.0-or-later
"""glob and search_file_content; the regular expressions are compared with grep's."""

from __future__ import annotations

import subprocess

import pytest
from mcp_server.conftest import Put, Tools

from callao.mcp.worker.basic_regex import compiled
from callao.mcp.worker.failure import ToolError
from callao.mcp.worker.wildcard import Wildcard


def matches(tools: Tools, pattern: str, **more: str) -> list[str]:
    found = tools("glob", pattern=pattern, **more)["matches"]
    return [each.removeprefix(f"{tools.root}/") for each in found]


def test_a_pattern_matches_names_and_directories(tools: Tools, put: Put) -> None:
    for name in ("tests/mcp.bats", "tests/other.bash", "a.py", "src/b.py", "src/deep/er/c.py", ".git/d.py"):
        put(name)
    assert matches(tools, "*/*p.bats") == ["tests/mcp.bats"]
    assert matches(tools, "nothing.to.see") == []
    assert matches(tools, "**/*.py") == [".git/d.py", "a.py", "src/b.py", "src/deep/er/c.py"]
    assert matches(tools, "src/**/*.py") == ["src/b.py", "src/deep/er/c.py"]
    assert matches(tools, "src/**") == ["src/b.py", "src/deep", "src/deep/er", "src/deep/er/c.py"]
    assert matches(tools, "**/deep/**/c.py") == ["src/deep/er/c.py"]
    assert matches(tools, "*.py", path=f"{tools.root}/src") == ["src/b.py"]
    assert matches(tools, f"{tools.root}/src/**/[a-c].py") == ["src/b.py", "src/deep/er/c.py"]
    assert matches(tools, "[^a-z]*/*.py") == [".git/d.py"]


def test_a_bad_pattern_is_an_error(tools: Tools) -> None:
    for pattern in ("[", "[a", "[]a]", "[-]", "a\\", "[a-]"):
        assert "syntax error in pattern" in tools.failure("glob", pattern=pattern), pattern
    assert "'..' is not allowed" in tools.failure("glob", pattern="../*")
    assert "NUL" in tools.failure("glob", pattern="a\0b")
    assert "outside" in tools.failure("glob", pattern="/etc/*")
    assert "outside" in tools.failure("glob", pattern="*", path="/etc")


def test_a_pattern_finds_nothing_behind_a_link_that_leads_out(tools: Tools, put: Put) -> None:
    put("sub/file")
    (tools.root / "out").symlink_to("../outside")
    (tools.root / "in").symlink_to("sub")
    (tools.root / "sub" / "loop").symlink_to("..")
    assert matches(tools, "*/secret") == matches(tools, "**/secret") == []
    assert matches(tools, "*/file") == ["in/file", "sub/file"]
    assert matches(tools, "**/file") == ["sub/file"]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "", True),
        ("a*b*c", "a12b3c", True),
        ("a*b", "abab", True),
        ("?", "", False),
        ("[^]]", "a", False),
        ("\\*", "*", True),
        ("\\*", "a", False),
        ("[a-c-]", "-", None),
        ("[\\]]", "]", True),
        ("*a" * 40 + "b", "a" * 250, False),
    ],
)
def test_wildcards_are_gos(pattern: str, text: str, expected: bool | None) -> None:
    if expected is None or pattern == "[^]]":
        with pytest.raises(ToolError):
            Wildcard(pattern)
    else:
        assert Wildcard(pattern).matches(text) is expected


def search(tools: Tools, pattern: str, **more: str) -> str:
    output: str = tools("search_file_content", pattern=pattern, **more)["git_grep_output"]
    return output


def test_lines_are_found_with_their_file_and_number(tools: Tools, put: Put) -> None:
    put("tests/mcp.bats", "a\nneedle in a haystack\n💡 light")
    put(".git/config", "needle")
    put("b.txt", "needle\r\n")
    assert search(tools, "needle in a haystack") == "tests/mcp.bats:2:needle in a haystack\n"
    assert search(tools, "💡") == "tests/mcp.bats:3:💡 light\n"
    assert search(tools, "💡 not found") == ""
    assert search(tools, "^needle", include="*.txt") == "b.txt:1:needle\r\n"
    assert search(tools, "needle", include="tests") == "tests/mcp.bats:2:needle in a haystack\n"
    assert search(tools, "needle", include="**/*.bats", path=str(tools.root / "tests")).startswith(
        "mcp.bats:2:"
    )
    assert search(tools, "needle", path=str(tools.root / "b.txt")) == "b.txt:1:needle\r\n"


def test_a_pattern_may_begin_with_a_hyphen(tools: Tools, put: Put) -> None:
    put("-x", "--all of it\n-e\n")
    assert search(tools, "--all") == "-x:1:--all of it\n"
    assert search(tools, "-e", include="-x") == "-x:2:-e\n"


def test_a_search_follows_no_link_and_reads_no_device(tools: Tools, put: Put) -> None:
    (tools.root / "link").symlink_to(tools.root.parent / "outside" / "secret")
    (tools.root / "folder").symlink_to(tools.root.parent / "outside")
    subprocess.run(["mkfifo", tools.root / "pipe"], check=True)
    put("file", "no secret")
    assert search(tools, "secret") == "file:1:no secret\n"
    assert "outside" in tools.failure("search_file_content", pattern="x", path=f"{tools.root}/folder")
    assert (
        tools.failure("search_file_content", pattern="x", path=f"{tools.root}/none") == "file does not exist"
    )


def test_a_binary_file_is_named_and_long_lines_are_cut(tools: Tools, put: Put) -> None:
    put("data", b"\0\1needle\n")
    assert search(tools, "needle") == "Binary file data matches\n"
    put("data", "x" * 5000)
    tools.limits = type(tools.limits)(output=1 << 20)
    assert search(tools, "x$") == f"data:1:{'x' * 4096} [cut: 5000 characters]\n"


def test_a_long_output_is_cut_with_a_notice(tools: Tools, put: Put) -> None:
    put("many", "line\n" * 5000)
    output = search(tools, "line")
    assert len(output) < 4300
    assert output.endswith("narrow the pattern, path or include]\n")
    assert len(tools.notices) == 1


@pytest.mark.parametrize("pattern", [r"\(", r"a\{2", "[a", "[[:none:]]", "\\", r"\)", r"a\{3,1\}"])
def test_an_expression_that_cannot_be_read_is_an_error(pattern: str) -> None:
    with pytest.raises(ToolError, match="pattern: "):
        compiled(pattern)


LINES = [
    "abc", "a.c", "a*c", "aac", "ac", "(a)", "a+c", "a|b", "aa", "aaa", "x{2}", "[x]", "a]b", "a-b",
    "a\\b", "", "^a", "a$b", "A1_", " tab\t", "foo bar", "foobar", "*a", "ab ab", "é",
]  # fmt: skip

EXPRESSIONS = [
    "a.c", r"a\.c", "a*c", "*a", r"\(a\)", "(a)", r"a\+c", r"a\?c", "a+c", r"a\|b", "a|b",
    r"a\{2\}$", r"a\{3,\}", "x{2}", "[x]", r"\[x\]", "[]a]b", "[a-]", r"[\]", "[^a]", "^a", r"\^a",
    "a^", "a$b", "b$", "^$", r"\(^a\)", "[[:upper:]]", "[[:digit:]_]*_", "[[:space:]]$", r"\<bar",
    r"foo\>", r"\bbar", r"\w\w\w\w", r"\(ab\) \1", r"\(a*\)*c", "é", ".", r"a\*c", r"^\(foo\|a\)",
    "[.]", "[a-c]c",
]  # fmt: skip


def test_expressions_mean_what_they_mean_to_grep() -> None:
    text = "".join(f"{each}\n" for each in LINES)
    for expression in EXPRESSIONS:
        done = subprocess.run(
            ["grep", "-e", expression], input=text, capture_output=True, text=True, check=False,
            env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        regex = compiled(expression)
        assert [each for each in LINES if regex.search(each)] == done.stdout.splitlines(), expression
