# SPDX-License-Identifier: GPL-3.0-or-later
"""Splits a template's text into tokens, by the lexical rules of Go's text/template."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass

from callao.gotemplate.expression_error import expression_error

_SPACE = " \t\r\n"
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?"
    r"|0[oO][0-7_]*(?:\.[0-7_]*)?"
    r"|0[bB][01_]*(?:\.[01_]*)?"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?"
)
_TRIM_LEFT = re.compile(r"-[ \t\r\n]")
_RIGHT = re.compile(r"(?:[ \t\r\n]-)?\}\}")
_SPACES = re.compile(r"[ \t\r\n]+")
_QUOTED = {
    '"': (re.compile(r'"(?:[^"\\\n]|\\[^\n])*"'), "a string that does not end on its line"),
    "`": (re.compile(r"`[^`]*`"), "a raw string that does not end"),
    "'": (re.compile(r"'(?:[^'\\\n]|\\[^\n])*'"), "a character constant that does not end"),
}


class Kind(enum.Enum):
    """The kind of a token; the value is its name in messages."""

    TEXT = "text"
    LEFT = "{{"
    RIGHT = "}}"
    END_OF_TEXT = "the end of the text"
    SPACE = "space"
    ASSIGN = "="
    DECLARE = ":="
    PIPE = "|"
    OPEN = "("
    CLOSE = ")"
    STRING = "a string"
    RAW_STRING = "a raw string"
    CHARACTER = "a character constant"
    NUMBER = "a number"
    COMPLEX = "a complex number"
    BOOL = "a boolean"
    VARIABLE = "a variable"
    FIELD = "a field"
    DOT = "."
    IDENTIFIER = "a name"
    PUNCTUATION = "punctuation"
    BLOCK = "block"
    BREAK = "break"
    CONTINUE = "continue"
    DEFINE = "define"
    ELSE = "else"
    END = "end"
    IF = "if"
    NIL = "nil"
    RANGE = "range"
    TEMPLATE = "template"
    WITH = "with"


_KEYWORDS = {
    kind.value: kind
    for kind in (
        Kind.BLOCK, Kind.BREAK, Kind.CONTINUE, Kind.DEFINE, Kind.ELSE, Kind.END, Kind.IF, Kind.NIL,
        Kind.RANGE, Kind.TEMPLATE, Kind.WITH,
    )
}  # fmt: skip
_SIMPLE = {"=": Kind.ASSIGN, "|": Kind.PIPE}
_STRINGS = {'"': Kind.STRING, "`": Kind.RAW_STRING, "'": Kind.CHARACTER}


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str
    offset: int
    """The token's first character in the template's text."""


class Lexer:
    """Yields tokens on demand, so that the first mistake in the text is reported first."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def tokens(self) -> Iterator[Token]:
        """
        :raises ExpressionError: at what is no token.
        """
        while (start := self._text.find("{{", self._at)) >= 0:
            inside = start + 2
            trims = _TRIM_LEFT.match(self._text, inside)
            before = self._text[self._at : start]
            if before := before.rstrip(_SPACE) if trims else before:
                yield Token(Kind.TEXT, before, self._at)
            self._at = trims.end() if trims else inside
            if self._text.startswith("/*", self._at):
                self._comment(start)
                continue
            yield Token(Kind.LEFT, "{{", start)
            yield from self._action(start)
        if self._at < len(self._text):
            yield Token(Kind.TEXT, self._text[self._at :], self._at)
        yield Token(Kind.END_OF_TEXT, "", len(self._text))

    def _comment(self, start: int) -> None:
        end = self._text.find("*/", self._at + 2)
        if end < 0:
            raise expression_error(self._text, start, "a comment that does not end")
        right = _RIGHT.match(self._text, end + 2)
        if right is None:
            raise expression_error(
                self._text, end, "a comment ends with */}} or */ -}}, and nothing else between"
            )
        self._close_action(right)

    def _close_action(self, right: re.Match[str]) -> None:
        self._at = right.end()
        if "-" in right.group():
            spaces = _SPACES.match(self._text, self._at)
            self._at = spaces.end() if spaces else self._at

    def _action(self, start: int) -> Iterator[Token]:
        depth = 0
        while True:
            right = _RIGHT.match(self._text, self._at)
            if right:
                if depth:
                    raise expression_error(self._text, self._at, "a parenthesis that is not closed")
                yield Token(Kind.RIGHT, "}}", self._at)
                self._close_action(right)
                return
            token = self._token(start)
            depth += {Kind.OPEN: 1, Kind.CLOSE: -1}.get(token.kind, 0)
            if depth < 0:
                raise expression_error(self._text, token.offset, "a parenthesis that was not opened")
            yield token

    def _token(self, start: int) -> Token:
        at = self._at
        if at >= len(self._text):
            raise expression_error(self._text, start, "an action that is not closed by }}")
        character = self._text[at]
        if spaces := _SPACES.match(self._text, at):
            # The last space belongs to a closing " -}}".
            before_trim = _RIGHT.match(self._text, spaces.end() - 1)
            return self._emit(Kind.SPACE, spaces.end() - 1 if before_trim else spaces.end())
        if character in _SIMPLE:
            return self._emit(_SIMPLE[character], at + 1)
        if character == ":":
            if not self._text.startswith(":=", at):
                raise expression_error(self._text, at, "a : without = behind it")
            return self._emit(Kind.DECLARE, at + 2)
        if character in _STRINGS:
            pattern, words = _QUOTED[character]
            match = pattern.match(self._text, at)
            if match is None:
                raise expression_error(self._text, at, words)
            return self._emit(_STRINGS[character], match.end())
        if character == "$" or (character == "." and not self._text[at + 1 : at + 2].isascii()):
            return self._field_or_variable(character)
        if character == "." and not "0" <= self._text[at + 1 : at + 2] <= "9":
            return self._field_or_variable(character)
        if character in "+-." or "0" <= character <= "9":
            return self._number()
        if _is_word(character):
            return self._word()
        if character in "()":
            return self._emit(Kind.OPEN if character == "(" else Kind.CLOSE, at + 1)
        if " " < character < "\x7f":
            return self._emit(Kind.PUNCTUATION, at + 1)
        raise expression_error(
            self._text, at, f"the character U+{ord(character):04X}, which has no meaning here"
        )

    def _emit(self, kind: Kind, end: int) -> Token:
        token = Token(kind, self._text[self._at : end], self._at)
        self._at = end
        return token

    def _field_or_variable(self, sigil: str) -> Token:
        """``.Field``, ``$name``, and either character alone."""
        end = self._word_end(self._at + 1)
        self._check_end(end)
        if end > self._at + 1:
            return self._emit(Kind.VARIABLE if sigil == "$" else Kind.FIELD, end)
        return self._emit(Kind.VARIABLE if sigil == "$" else Kind.DOT, end)

    def _word(self) -> Token:
        end = self._word_end(self._at)
        self._check_end(end)
        word = self._text[self._at : end]
        kind = Kind.BOOL if word in ("true", "false") else _KEYWORDS.get(word, Kind.IDENTIFIER)
        return self._emit(kind, end)

    def _word_end(self, at: int) -> int:
        while at < len(self._text) and _is_word(self._text[at]):
            at += 1
        return at

    def _check_end(self, end: int) -> None:
        following = self._text[end : end + 1]
        if following and following not in _SPACE + ".,|:)(" and not self._text.startswith("}}", end):
            raise expression_error(self._text, end, f"{following!r}, which cannot follow a name")

    def _number(self) -> Token:
        end, kind = self._number_end(self._at), Kind.NUMBER
        if self._text[end : end + 1] in ("+", "-"):
            end, kind = self._number_end(end), Kind.COMPLEX
            if self._text[end - 1] != "i":
                raise expression_error(
                    self._text, self._at, f"{self._text[self._at : end]!r}, which is no number"
                )
        return self._emit(kind, end)

    def _number_end(self, at: int) -> int:
        match = _NUMBER.match(self._text, at)
        end = match.end() if match else at
        if end < len(self._text) and _is_word(self._text[end]):
            raise expression_error(self._text, at, f"{self._text[at : end + 1]!r}, which is no number")
        return end


def _is_word(character: str) -> bool:
    return character == "_" or character.isalpha() or character.isdecimal()
