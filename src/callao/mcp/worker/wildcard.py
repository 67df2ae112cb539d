# SPDX-License-Identifier: GPL-3.0-or-later
"""Wildcards as Go's filepath.Match has them: ``*``, ``?``, ``[a-z]``, ``[^a]``, ``\\``.

Matching takes time in proportion to the lengths of pattern and text, so no pattern can stall the tool;
regular expressions made of wildcards can.
"""

from callao.mcp.worker.failure import ToolError


class _OneOf:
    """One character of these ranges, or of none of them."""

    def __init__(self, ranges: "list[tuple[str, str]]", negated: bool = False) -> None:
        self.ranges = ranges
        self.negated = negated

    def admits(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) != self.negated


_STAR = _OneOf([])
"""In a parsed pattern: any number of characters."""

_END = _OneOf([])
"""Admits no character."""


class Wildcard:
    """A pattern for one name, or for a whole path where ``*`` is to match ``/`` too."""

    def __init__(self, pattern: str) -> None:
        self._tokens = _parse(pattern)

    def matches(self, text: str) -> bool:
        tokens = self._tokens
        token = position = 0
        star = mark = -1
        while position < len(text):
            wanted = tokens[token] if token < len(tokens) else _END
            if wanted is _STAR:
                star, mark = token, position
                token += 1
            elif wanted.admits(text[position]):
                token += 1
                position += 1
            elif star >= 0:  # let the last star take one character more
                mark += 1
                token, position = star + 1, mark
            else:
                return False
        return all(each is _STAR for each in tokens[token:])


def has_wildcards(pattern: str) -> bool:
    return any(each in pattern for each in "*?[\\")


def _parse(pattern: str) -> "list[_OneOf]":
    tokens = []  # type: list[_OneOf]
    rest = list(reversed(pattern))
    while rest:
        each = rest.pop()
        if each == "*":
            if not tokens or tokens[-1] is not _STAR:
                tokens.append(_STAR)
        elif each == "?":
            tokens.append(_OneOf([("\0", chr(0x10FFFF))]))
        elif each == "[":
            tokens.append(_class(rest, pattern))
        else:
            literal = _escaped(rest, pattern) if each == "\\" else each
            tokens.append(_OneOf([(literal, literal)]))
    return tokens


def _class(rest: "list[str]", pattern: str) -> "_OneOf":
    negated = bool(rest) and rest[-1] == "^"
    if negated:
        rest.pop()
    ranges = []  # type: list[tuple[str, str]]
    while True:
        if not rest:
            raise _bad(pattern)
        if rest[-1] == "]" and ranges:
            rest.pop()
            return _OneOf(ranges, negated)
        low = high = _class_character(rest, pattern)
        if rest and rest[-1] == "-":
            rest.pop()
            high = _class_character(rest, pattern)
        ranges.append((low, high))


def _class_character(rest: "list[str]", pattern: str) -> str:
    if not rest or rest[-1] in "-]":
        raise _bad(pattern)
    each = rest.pop()
    return _escaped(rest, pattern) if each == "\\" else each


def _escaped(rest: "list[str]", pattern: str) -> str:
    if not rest:
        raise _bad(pattern)
    return rest.pop()


def _bad(pattern: str) -> ToolError:
    return ToolError(f"pattern: {pattern!r}: syntax error in pattern (allowed: * ? [a-z] [^a-z] ** and \\)")
