# SPDX-License-Identifier: GPL-3.0-or-later
"""lima.yaml as text: read strictly, written so that people like to read it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import inf
from typing import Any

import yaml

from callao.errors import ConfigError, Problem

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_MERGE = "tag:yaml.org,2002:merge"
_MOST_LEAVES = 100_000
_DEEPEST = 64
_UNREADABLE = (
    yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError,
)  # fmt: skip
"""PyYAML lets all but the first through: for a date that is none, a list as a key, `!!float {}`,
`!!bool x`, `!!int ''`, too many brackets.
"""


class _Strict(_Loader):  # type: ignore[misc]
    """YAML 1.2 section 3.2.1.1: the keys of a mapping are unique. PyYAML lets the last one win."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._flat: set[int] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Replaces ``<<`` by what it names, below the mapping's own keys: the last of a name is taken.

        Not left to PyYAML: 6.0.4 tells merged keys apart by the ``id()`` of their text, which CPython
        gives to equal short texts alike, so of ``&y {<<: *x, a: 2}`` it keeps the ``a`` of ``x`` and
        drops the later one wherever ``*y`` is merged into a third mapping.
        """
        if id(node) in self._flat:
            return
        self._flat.add(id(node))
        self._refuse_repeats(node)
        own = [pair for pair in node.value if pair[0].tag != _MERGE]
        merged: list[Any] = []
        for key, value in node.value:
            if key.tag == _MERGE:
                # Of several, the earlier one wins.
                for each in reversed(value.value if isinstance(value, yaml.SequenceNode) else [value]):
                    merged += self._merged(each)
        node.value = merged + own

    def _merged(self, node: yaml.Node) -> list[Any]:
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(
                None, None, f"<< takes mappings, not {type(node).__name__}", node.start_mark
            )
        self.flatten_mapping(node)
        return list(node.value)

    def _refuse_repeats(self, node: yaml.MappingNode) -> None:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise _Repeated(str(key), key_node.start_mark)
            seen.add(key)


class _Repeated(Exception):
    def __init__(self, key: str, mark: Any) -> None:
        super().__init__(key)
        self.problem = Problem(
            key, key, "stands here a second time", "once", line=mark.line + 1, column=mark.column + 1
        )


class _Block(_Dumper):  # type: ignore[misc]
    """Scripts as literal blocks."""


def _represent_text(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Block.add_representer(str, _represent_text)


def load(text: str, source: str) -> dict[str, object]:
    """A document from YAML text; an empty one is an empty mapping.

    :param source: where the text is from, for messages.
    :raises ConfigError: for text that is not YAML, with line and column; for keys that repeat; for
        anything that is not a mapping with names as keys.
    """
    try:
        document = yaml.load(text, Loader=_Strict)  # noqa: S506 - _Strict is a safe loader
    except _Repeated as error:
        raise ConfigError([error.problem], source=source) from None
    except _UNREADABLE as error:
        raise ConfigError([_not_yaml(error)], source=source) from None
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise ConfigError([Problem(".", _brief(document), "is not a lima.yaml", "a mapping")], source=source)
    if max(_extent(document, {}, 0)) > 1:
        allowed = f"at most {_MOST_LEAVES} values, {_DEEPEST} levels deep"
        raise ConfigError([Problem(".", "", "is too much, by aliases or by depth", allowed)], source=source)
    return document


def dump(document: Mapping[str, object]) -> str:
    """YAML text in block style, the document's own order, scripts as ``|`` blocks."""
    text: str = yaml.dump(
        dict(document),
        Dumper=_Block,
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        width=100,
    )
    return text


def _extent(value: object, known: dict[int, tuple[float, float]], level: int) -> tuple[float, float]:
    """How many values ``value`` holds and how deep, as parts of the most, when aliases are written out.

    A few lines of aliases of aliases can mean more than any memory holds, a few brackets more than
    Python's stack; and an alias within what it names has no end.
    """
    if not isinstance(value, dict | list):
        return 1 / _MOST_LEAVES, 0
    if id(value) not in known:
        known[id(value)] = inf, inf
        if level < _DEEPEST:
            inner = [
                _extent(item, known, level + 1)
                for item in (value.values() if isinstance(value, dict) else value)
            ]
            leaves = sum(each for each, _ in inner) + 1 / _MOST_LEAVES
            known[id(value)] = leaves, max((each for _, each in inner), default=0) + 1 / _DEEPEST
    return known[id(value)]


def _not_yaml(error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    words = getattr(error, "problem", None) or next(iter(str(error).splitlines()), type(error).__name__)
    begun, context = getattr(error, "context_mark", None), getattr(error, "context", None)
    if begun and context:
        words = f"{words} {context} from line {begun.line + 1}, column {begun.column + 1} on"
    return Problem(".", "", f"is not YAML: {words}", "YAML 1.1, as PyYAML reads it", line, column)


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
