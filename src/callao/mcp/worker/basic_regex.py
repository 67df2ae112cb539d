# SPDX-License-Identifier: GPL-3.0-or-later
"""Translates POSIX basic regular expressions, with GNU's extensions, to Python's: see regex(7), grep(1)."""

import re

from callao.mcp.worker.failure import ToolError

_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "\\x21-\\x7e",
    "lower": "a-z",
    "print": "\\x20-\\x7e",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_ESCAPES = {
    "(": "(",
    ")": ")",
    "|": "|",
    "+": "+",
    "?": "?",
    "<": r"\b(?=\w)",
    ">": r"\b(?<=\w)",
    "`": r"\A",
    "'": r"\Z",
    "w": r"\w",
    "W": r"\W",
    "s": r"\s",
    "S": r"\S",
    "b": r"\b",
    "B": r"\B",
}
_SPECIAL = ".*[]^$\\"


def literal_of(pattern: str) -> "str | None":
    """The text that a pattern without special characters stands for; None for any other."""
    return None if any(each in pattern for each in _SPECIAL) else pattern


def compiled(pattern: str) -> "re.Pattern[str]":
    """:raises ToolError: for a pattern that cannot be read."""
    try:
        return re.compile(_Translation(pattern).text())
    except (re.error, ValueError, OverflowError, RecursionError) as error:
        raise ToolError(
            f"pattern: {pattern!r}: {error} (allowed: a basic regular expression, as for grep)"
        ) from error


class _Translation:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def text(self) -> str:
        parts = []  # type: list[str]
        beginning = True
        while self.at < len(self.pattern):
            each = self._next()
            part, begins = self._piece(each, beginning)
            parts.append(part)
            beginning = begins
        return "".join(parts)

    def _next(self) -> str:
        each = self.pattern[self.at]
        self.at += 1
        return each

    def _piece(self, each: str, beginning: bool) -> "tuple[str, bool]":
        """The translation of one piece, and whether an expression begins after it."""
        if each == "\\":
            return self._escape(beginning)
        if each == "[":
            return self._bracket(), False
        if each == "*":
            return (r"\*" if beginning else "*"), False
        if each == "^":
            return ("^", True) if beginning else (r"\^", False)
        if each == "$":
            rest = self.pattern[self.at : self.at + 2]
            return ("$" if not rest or rest in (r"\)", r"\|") else r"\$"), False
        return ("." if each == "." else re.escape(each)), False

    def _escape(self, beginning: bool) -> "tuple[str, bool]":
        if self.at >= len(self.pattern):
            raise ValueError("trailing backslash")
        each = self._next()
        if each == "{":
            return self._interval(beginning), False
        if each in "+?" and beginning:
            return re.escape(each), False
        if each in _ESCAPES:
            return _ESCAPES[each], each in "(|"
        if each in "123456789":
            return f"(?:\\{each})", False
        return re.escape(each), False

    def _interval(self, beginning: bool) -> str:
        end = self.pattern.find(r"\}", self.at)
        bounds = self.pattern[self.at : end] if end >= 0 else ""
        if beginning or not re.match(r"(\d+(,\d*)?|,\d+)\Z", bounds):
            raise ValueError("invalid interval")
        self.at = end + 2
        return "{" + ("0" + bounds if bounds.startswith(",") else bounds) + "}"

    def _bracket(self) -> str:
        """A bracket expression; a backslash in it has no special meaning."""
        negated = self.pattern.startswith("^", self.at)
        self.at += negated
        parts = []  # type: list[str]
        first = True
        while True:
            if self.at >= len(self.pattern):
                raise ValueError("unmatched [")
            each = self._next()
            if each == "]" and not first:
                return "[" + ("^" if negated else "") + "".join(parts) + "]"
            first = False
            if each == "[" and self.pattern[self.at : self.at + 1] in (":", ".", "="):
                parts.append(self._class())
            elif each == "-" and parts and not self.pattern.startswith("]", self.at):
                parts.append("-")
            else:
                parts.append(re.escape(each))

    def _class(self) -> str:
        kind = self._next()
        end = self.pattern.find(kind + "]", self.at)
        name = self.pattern[self.at : end] if end >= 0 else ""
        if kind == ":" and name in _CLASSES:
            self.at = end + 2
            return _CLASSES[name]
        if kind != ":" and len(name) == 1:
            self.at = end + 2
            return re.escape(name)
        raise ValueError(f"invalid character class [{kind}{name}{kind}]")
