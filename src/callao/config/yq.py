# SPDX-License-Identifier: GPL-3.0-or-later
"""Translates yq expressions to jq, where both mean the same.

The languages look alike, but their grammars differ: in yq, ``and`` and ``or`` have a lower precedence than
``|``, ``.a-b`` is one key, and ``==`` matches patterns. Only expressions with the same meaning in both are
translated; all others are refused with the reason. See yq's manual, "Operators", and jq's.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_ASSIGNMENTS = ("|=", "+=", "-=", "*=", "=")
_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
_ARITHMETIC = ("//", "+", "-", "*", "/")
_LOGIC = ("and", "or")
_KEYWORDS = ("true", "false", "null")
_FUNCTIONS_WITHOUT_ARGUMENT = ("length", "not", "to_entries", "from_entries", "reverse", "sort", "flatten")
_FUNCTIONS_OF_ONE_ARGUMENT = ("select", "del", "has", "map", "map_values", "with_entries")
_FORBIDDEN_FUNCTIONS = (
    "env",
    "strenv",
    "envsubst",
    "load",
    "load_str",
    "load_xml",
    "load_props",
    "load_base64",
)

_KEY = r"[A-Za-z_][A-Za-z0-9_/-]*"
_TOKEN = re.compile(
    rf"""\s*(?:
    (?P<key>\.(?:{_KEY}|"[^ "\\]+"))
  | (?P<index>\.?\[\s*(?:-?\d+|-?\d*\s*:\s*-?\d*|"(?:[^"\\]|\\.)*")?\s*\])
  | (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<number>-?\d+(?:\.\d+)?(?![\w.]))
  | (?P<operator>\|=|\+=|-=|\*=|==|!=|<=|>=|//|[|=+*/<>,:(){{}}\[\]-])
  | (?P<dot>\.(?!\.))
  | (?P<word>[A-Za-z_]\w*)
  | (?P<other>\S+)
)""",
    re.VERBOSE,
)
_MAX_DEPTH = 30


class Unsupported(Exception):
    """An expression that jq lacks, or evaluates differently; the text says which."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    space_before: bool
    """Whether white space precedes it."""


def yq_to_jq(expression: str) -> str:
    """The expression in jq's syntax.

    :raises Unsupported: when jq lacks a part of it, or evaluates it differently.
    """
    parser = _Parser(_tokens(expression))
    text = parser.pipe()
    if parser.next is not None:
        raise Unsupported(f"{parser.next.text!r} stands where nothing more is expected")
    return text


def _tokens(expression: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    text = expression.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None  # "other" takes all that is left
        kind = str(match.lastgroup)
        token = match.group(kind)
        if kind == "other":
            raise Unsupported(f"{token[:20]!r} is not of both yq and jq")
        found.append(_Token(kind, token, space_before=match.start(kind) > at))
        at = match.end()
    return found


@dataclass
class _Parser:
    """Recursive descent; what it returns is jq."""

    tokens: list[_Token]
    at: int = 0
    depth: int = 0

    @property
    def next(self) -> _Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def _accept(self, *texts: str) -> str:
        token = self.next
        if token is None or token.kind not in ("operator", "word") or token.text not in texts:
            return ""
        self.at += 1
        return token.text

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            found = repr(self.next.text) if self.next else "the end"
            raise Unsupported(f"{found} stands where {text!r} is expected")

    def pipe(self) -> str:
        """Statements joined by ``|``, the lowest precedence in both languages without ``and`` and ``or``."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise Unsupported(f"it is more than {_MAX_DEPTH} levels deep")
        parts = [self._statement()]
        while self._accept("|"):
            parts.append(self._statement())
        if len(parts) > 1 and any(logical for _, logical in parts):
            raise Unsupported("'and' and 'or' beside '|' bind otherwise in yq: put them in parentheses")
        self.depth -= 1
        return " | ".join(text for text, _ in parts)

    def _statement(self) -> tuple[str, bool]:
        """A value, or an assignment; and whether ``and`` or ``or`` is in it."""
        left, logical = self._logic()
        operator = self._accept(*_ASSIGNMENTS)
        if not operator:
            return left, logical
        begin = self.at
        right, both = self._logic()
        if logical or both:
            raise Unsupported(
                f"'and' and 'or' beside {operator!r} bind otherwise in yq: put them in parentheses"
            )
        reads = any(
            token.kind in ("key", "dot") or (token.kind == "index" and token.text.startswith("."))
            for token in self.tokens[begin : self.at]
        )
        if reads and operator not in ("=", "|="):
            raise Unsupported(
                f"what {operator!r} adds is looked up elsewhere in yq: write 'PATH = PATH + …'"
            )
        return f"{left} {operator} ({right})", False

    def _logic(self) -> tuple[str, bool]:
        text = self._comparison()
        operator = self._accept(*_LOGIC)
        if not operator:
            return text, False
        text = f"{text} {operator} {self._comparison()}"
        while self._accept(operator):
            text = f"{text} {operator} {self._comparison()}"
        if self._accept(*_LOGIC):
            raise Unsupported("'and' beside 'or' binds otherwise in yq: put one of them in parentheses")
        return text, True

    def _comparison(self) -> str:
        text, summed = self._sum()
        operator = self._accept(*_COMPARISONS)
        if not operator:
            return text
        begin = self.at
        right, more = self._sum()
        if summed or more:
            raise Unsupported(f"arithmetic beside {operator!r} binds otherwise in yq: put it in parentheses")
        patterns = [token.text for token in self.tokens[begin : self.at] if token.kind == "string"]
        if any("*" in each or "?" in each for each in patterns):
            raise Unsupported(f"a text with * or ? is a pattern to yq's {operator!r}")
        return f"({text} {operator} {right})"

    def _sum(self) -> tuple[str, bool]:
        """Operands and one kind of operator: yq gives all of them the same precedence."""
        text = self._operand()
        operator = self._accept(*_ARITHMETIC)
        if not operator:
            return text, False
        text = f"{text} {operator} {self._operand()}"
        while self._accept(operator):
            text = f"{text} {operator} {self._operand()}"
        if self._accept(*_ARITHMETIC):
            raise Unsupported("two kinds of arithmetic bind otherwise in yq: put one of them in parentheses")
        return f"({text})", True

    def _operand(self) -> str:
        token = self.next
        if token is None:
            raise Unsupported("it ends where a value is expected")
        if token.kind in ("key", "index") and token.text.startswith("."):
            return "." + self._path()
        if token.text in ("[]", "[ ]") and token.kind == "index":
            self.at += 1
            return "[]"
        if token.kind == "index":
            return self._list_of_one()
        self.at += 1
        if token.kind == "dot":
            return "."
        if token.kind == "string":
            return _string(token.text)
        if token.kind == "number":
            return token.text
        if token.kind == "word":
            return self._word(token.text)
        if token.text == "(":
            inside = self.pipe()
            self._expect(")")
            return f"({inside})" + self._path()
        if token.text == "[":
            return f"[{', '.join(self._items(']'))}]"
        if token.text == "{":
            return self._object()
        raise Unsupported(f"{token.text!r} stands where a value is expected")

    def _path(self) -> str:
        """Keys and indices that follow each other without white space."""
        text = ""
        begin = self.at
        while (token := self.next) is not None and token.kind in ("key", "index"):
            if self.at > begin and token.space_before:
                break
            self.at += 1
            inside = token.text.removeprefix(".")
            if token.kind == "key":
                text += f"[{_string(inside) if inside.startswith(chr(34)) else json.dumps(inside)}]"
            else:
                inside = inside[1:-1].strip()
                text += f"[{_string(inside) if inside.startswith(chr(34)) else inside}]"
                text += "" if inside else "?"  # nothing to go through is no error in yq
        if token is not None and token.text in ("*", "*=") and not token.space_before:
            raise Unsupported("a key with * is a pattern to yq")
        return text

    def _list_of_one(self) -> str:
        """``["a"]`` and ``[1]``: lists that look like an index."""
        token = self.tokens[self.at]
        inside = token.text[1:-1].strip()
        if ":" in inside and not inside.startswith('"'):
            raise Unsupported(f"{token.text!r} stands where a value is expected")
        self.at += 1
        return f"[{_string(inside) if inside.startswith(chr(34)) else inside}]"

    def _items(self, closing: str) -> list[str]:
        if self._accept(closing):
            return []
        entries = [self._logic()[0]]
        while self._accept(","):
            entries.append(self._logic()[0])
        self._expect(closing)
        return [f"({each})" for each in entries]

    def _object(self) -> str:
        if self._accept("}"):
            return "{}"
        entries: dict[str, str] = {}
        while True:
            token = self.next
            if token is None or token.kind != "string":
                raise Unsupported("a key of {…} is no text in quotes")
            self.at += 1
            self._expect(":")
            key = _string(token.text)
            if key in entries:
                raise Unsupported(f"the key {key} stands twice in {{…}}")
            entries[key] = self._logic()[0]
            if not self._accept(","):
                break
        self._expect("}")
        return f"{{{', '.join(f'{key}: ({value})' for key, value in entries.items())}}}"

    def _word(self, word: str) -> str:
        if word in _KEYWORDS or word in _FUNCTIONS_WITHOUT_ARGUMENT:
            return word
        if word in _FUNCTIONS_OF_ONE_ARGUMENT:
            self._expect("(")
            inside = self.pipe()
            self._expect(")")
            return f"{word}({inside})"
        if word in _FORBIDDEN_FUNCTIONS:
            raise Unsupported(f"{word!r} reads the environment or files, which Lima forbids, too")
        raise Unsupported(f"{word!r} is not of both yq and jq")


def _string(quoted: str) -> str:
    if re.search(r'\\[^"\\nrt]', quoted):
        raise Unsupported(f"{quoted[:20]} has an escape that yq and jq read otherwise")
    return quoted.replace("\n", "\\n").replace("\t", "\\t")
