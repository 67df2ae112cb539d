# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what the program in the guest answers, which a hostile guest may have replaced."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

import msgspec

from callao.mcp.workspace import ToolFailure
from callao.printable import printable

_MAX_TEXT = 64 << 10
"""Bytes of an error, or of all notices."""

_NOTHING = msgspec.Raw(b"null")


class AnswerLine(msgspec.Struct, frozen=True):
    """One line; ``error`` or ``result`` and ``notices`` are there."""

    id: int
    result: msgspec.Raw = _NOTHING
    notices: msgspec.Raw = msgspec.Raw(b"[]")
    error: msgspec.Raw = _NOTHING


class _Entry(TypedDict):
    name: str
    size: int
    mode: int
    time: str
    is_dir: bool


class _Directory(TypedDict):
    entries: list[_Entry]


class _Content(TypedDict):
    content: str


class _Matches(TypedDict):
    matches: list[str]


class _Grep(TypedDict):
    git_grep_output: str


class _Ran(TypedDict):
    stdout: str
    stderr: str
    error: NotRequired[str]
    exit_code: NotRequired[int]


class _Written(TypedDict):
    pass


_RESULTS: dict[str, Any] = {
    "list_directory": _Directory,
    "read_file": _Content,
    "glob": _Matches,
    "search_file_content": _Grep,
    "run_shell_command": _Ran,
    "write_file": _Written,
}


def answer_line(data: bytes) -> AnswerLine:
    """:raises ValueError: for a line that is none."""
    return msgspec.json.decode(data, type=AnswerLine)


def answered(tool: str, line: AnswerLine) -> tuple[dict[str, Any], list[str]]:
    """The result of a tool, and its notices.

    :raises ToolFailure: with the guest's reason, or for a result that the tool does not have.
    """
    try:
        if bytes(line.error) != bytes(_NOTHING):
            raise ToolFailure(printable(msgspec.json.decode(_bounded(line.error), type=str)))
        result: dict[str, Any] = msgspec.json.decode(line.result, type=_RESULTS[tool])
        notices = msgspec.json.decode(_bounded(line.notices), type=list[str])
    except (ValueError, RecursionError):
        raise ToolFailure("the guest has answered with something else than a result of this tool") from None
    return result, [printable(each) for each in notices]


def _bounded(raw: msgspec.Raw) -> bytes:
    data = bytes(raw)
    if len(data) > _MAX_TEXT:
        raise ValueError("too long")
    return data
