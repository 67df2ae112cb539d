# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts YAML nodes to plain values: tags, keys, merges, aliases. Bounded for hostile input."""

from __future__ import annotations

import base64
import binascii
from math import inf
from typing import Any

import yaml

from callao.config.scalars import NullKey, Scalar, as_text, resolve
from callao.errors import Problem

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_LEAVES = 100_000
MAX_DEPTH = 64
_MAX_NODE_DEPTH = MAX_DEPTH + 2
"""Levels of nodes: the document itself is one, and its deepest scalar is one."""

_TAG = "tag:yaml.org,2002:"
_LINE_BREAKS = "\x85\u2028\u2029"
"""Characters that are line breaks in YAML 1.1 and in PyYAML, and ordinary characters in YAML 1.2."""

_PRIVATE_USE = range(0xE000, 0xF900)
_MAX_NODES = 3 * _MAX_LEAVES
"""The limit for all documents of a text, keys included."""

_START = yaml.Mark("", 0, 0, 0, "", 0)
_PLAIN = "?"
_MERGE = "<<"
_BLOCKS = ("|", ">")
_COLLECTIONS = frozenset(f"{_TAG}{name}" for name in ("map", "seq", "set", "omap"))


class NodeError(Exception):
    """A problem with line and column, such as a key that is listed twice."""

    def __init__(self, problem: Problem, mark: Any) -> None:
        super().__init__(problem.path)
        self.problem = Problem(
            problem.path, problem.value, problem.message, problem.allowed, mark.line + 1, mark.column + 1
        )


class NodeLoader(_Loader):  # type: ignore[misc]
    """PyYAML's parser without its resolver: plain scalars are resolved later, by YAML 1.2."""

    def resolve(self, kind: type, _value: str, implicit: Any) -> str:
        """The tag of a node without an explicit tag; PyYAML calls this for each node."""
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else f"{_TAG}str"
        return f"{_TAG}seq" if kind is yaml.SequenceNode else f"{_TAG}map"

    _level = 0
    _count = 0

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:  # noqa: ARG002 - PyYAML's names
        """Called before each node; limits the depth, because PyYAML's C code would overflow the stack."""
        self._level += 1
        if self._level > _MAX_NODE_DEPTH:
            raise RecursionError
        self._count += 1
        if self._count > _MAX_NODES:
            raise NodeError(Problem(".", "", "is too much", f"at most {_MAX_LEAVES} values"), _START)

    def ascend_resolver(self) -> None:
        """Called after each node."""
        self._level -= 1


class _PurePythonLoader(yaml.SafeLoader):
    """A composer in pure Python, for texts with repeated anchors, which YAML allows and PyYAML does not."""

    resolve = NodeLoader.resolve
    descend_resolver = NodeLoader.descend_resolver
    ascend_resolver = NodeLoader.ascend_resolver
    _level = 0
    _count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        anchor = getattr(event, "anchor", None)
        if anchor is not None and not self.check_event(yaml.AliasEvent):
            self.anchors.pop(anchor, None)
        return super().compose_node(parent, index)


def documents(text: str) -> list[yaml.Node]:
    """The root node of each document in ``text``."""
    letters = _placeholders(text)
    text = text.translate(letters)
    try:
        found = _documents(NodeLoader(text))
    except yaml.composer.ComposerError as error:
        if "duplicate anchor" not in str(error):
            raise
        found = _documents(_PurePythonLoader(text))
    if letters:
        seen: set[int] = set()
        for root in found:
            _restore_line_breaks(root, {ord(new): chr(old) for old, new in letters.items()}, seen)
    return found


def _placeholders(text: str) -> dict[int, str]:
    """For each of ``_LINE_BREAKS`` in the text, a private-use character that the text does not contain."""
    there = [each for each in _LINE_BREAKS if each in text]
    free = (chr(code) for code in _PRIVATE_USE if chr(code) not in text)
    return {ord(each): letter for each, letter in zip(there, free, strict=False)}


def _restore_line_breaks(node: yaml.Node, letters: dict[int, str], seen: set[int]) -> None:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        node.value = node.value.translate(letters)
    for entry in node.value if isinstance(node, yaml.CollectionNode) else ():
        for each in entry if isinstance(entry, tuple) else (entry,):
            _restore_line_breaks(each, letters, seen)


def _documents(loader: Any) -> list[yaml.Node]:
    try:
        found = []
        while loader.check_node():
            found.append(loader.get_node())
        return found
    finally:
        loader.dispose()


def build(root: yaml.Node) -> Any:
    """The root node as plain values.

    :raises NodeError: for a key that is repeated in a mapping, and for permissions that are a number.
    :raises yaml.YAMLError: for an unknown tag, or a merge key (``<<``) whose value is not a mapping.
    """
    builder = _Builder()
    builder.quote_permissions(root)
    value = builder.value(root)
    if isinstance(value, dict) and isinstance(root, yaml.MappingNode):
        _check_field_names(root)
    if max(_expanded_size(value, {}, 0)) > 1:
        allowed = f"at most {_MAX_LEAVES} values, {MAX_DEPTH} levels deep"
        raise NodeError(Problem(".", "", "is too much, by aliases or by depth", allowed), root.start_mark)
    return value


class _Builder:
    """Converts the nodes of one document; an alias becomes the same object as its anchor."""

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}

    def value(self, node: yaml.Node) -> Any:
        known = self._made.get(id(node), self)
        if known is not self:
            return known
        if isinstance(node, yaml.ScalarNode):
            made = self._made[id(node)] = _scalar(node)
            return made
        if node.tag.startswith(_TAG) and node.tag not in _COLLECTIONS:
            raise _unknown_tag(node)
        if isinstance(node, yaml.SequenceNode):
            items: list[Any] = []
            self._made[id(node)] = items
            items += [self.value(item) for item in node.value]
            return items
        mapping: dict[str, Any] = {}
        self._made[id(node)] = mapping
        self._fill(mapping, node)
        return mapping

    def _fill(self, mapping: dict[str, Any], node: yaml.MappingNode) -> None:
        """The mapping's own keys win over those merged by ``<<``; of several ``<<`` the first wins."""
        merged: list[yaml.Node] = []
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _PLAIN and key_node.value == _MERGE:
                merged += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                continue
            key = self._key(key_node)
            if key in own:
                raise NodeError(Problem(key, key, "is set a second time", "once"), key_node.start_mark)
            own[key] = self.value(value_node)
        for each in reversed(merged):
            value = self.value(each)
            if not isinstance(value, dict):
                raise yaml.constructor.ConstructorError(
                    None, None, f"<< takes mappings, not {type(each).__name__}", each.start_mark
                )
            mapping.update(value)
        mapping.update(own)

    def _key(self, node: yaml.Node) -> str:
        """The key as text, as in a Go map with string keys."""
        value = self.value(node)
        if isinstance(value, dict | list):
            raise yaml.constructor.ConstructorError(None, None, "a key is a collection", node.start_mark)
        return NullKey() if value is None else as_text(value)

    def quote_permissions(self, root: yaml.Node) -> None:
        """``permissions`` are octal digits: ``755`` without quotes is read as text. ``0644`` without quotes
        is refused, because YAML reads it as the number 420, which would become mode 0420.
        """
        for node in _permissions(root):
            value = resolve(node.value) if node.tag == _PLAIN else ""
            if isinstance(value, int) and not isinstance(value, bool):
                if str(value) != node.value:
                    problem = Problem(
                        "permissions",
                        node.value,
                        f"is read as the number {value}",
                        f"quotes: '{node.value}'",
                    )
                    raise NodeError(problem, node.start_mark)
                self._made[id(node)] = node.value


def _permissions(root: yaml.Node) -> list[yaml.ScalarNode]:
    def entries(node: yaml.Node, name: str) -> list[yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            return []
        return [value for key, value in node.value if isinstance(key, yaml.ScalarNode) and key.value == name]

    return [
        node
        for listed in entries(root, "provision")
        if isinstance(listed, yaml.SequenceNode)
        for entry in listed.value
        for node in entries(entry, "permissions")
        if isinstance(node, yaml.ScalarNode)
    ]


def _check_field_names(root: yaml.MappingNode) -> None:
    for key, _ in root.value:
        if key.tag == _PLAIN and not isinstance(resolve(key.value), str):
            problem = Problem(
                key.value or ".", key.value, "is not the name of a field", "a mapping of names"
            )
            raise NodeError(problem, key.start_mark)


def _scalar(node: yaml.ScalarNode) -> Scalar:
    tag, text = node.tag, str(node.value)
    if "\0" in text:
        problem = Problem(
            ".", text, "holds the character U+0000", "text that can be a file's or an argument's"
        )
        raise NodeError(problem, node.start_mark)
    if tag == _PLAIN:
        return resolve(text)
    if node.style in _BLOCKS and not text.endswith("\n"):
        text = text.rstrip(" ")  # Lima's library drops the spaces with the line break
    kind = tag.removeprefix(_TAG)
    if kind == tag:
        return resolve(text) if node.style is None else text
    convert = _TAGGED.get(kind)
    if convert is None:
        raise _unknown_tag(node)
    try:
        value: Scalar = convert(text)
    except ValueError:
        words = f"{text!r} is no {kind}"
        raise yaml.constructor.ConstructorError(None, None, words, node.start_mark) from None
    return value


def _boolean(text: str) -> bool:
    words = {
        "true": True,
        "yes": True,
        "1": True,
        "t": True,
        "false": False,
        "no": False,
        "0": False,
        "f": False,
    }
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


def _integer(text: str) -> int:
    value = resolve(text)
    return value if isinstance(value, int) else int(text, 10)


def _binary(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(text) from error


_TAGGED: dict[str, Any] = {
    "str": str,
    "int": _integer,
    "float": float,
    "bool": _boolean,
    "null": lambda _text: None,
    "binary": _binary,
    "timestamp": str,
}


def _unknown_tag(node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, f"the tag {node.tag} is not known", node.start_mark)


def _expanded_size(value: object, known: dict[int, tuple[float, float]], level: int) -> tuple[float, float]:
    """The number of values and the depth of ``value`` after aliases are expanded, as fractions of the
    limits.

    A few lines of nested aliases can expand to more than memory holds, a few brackets can overflow Python's
    stack, and an alias inside its own anchor is infinite.
    """
    if not isinstance(value, dict | list):
        return 1 / _MAX_LEAVES, 0
    if id(value) not in known:
        known[id(value)] = inf, inf
        if level < MAX_DEPTH:
            inner = [
                _expanded_size(item, known, level + 1)
                for item in (value.values() if isinstance(value, dict) else value)
            ]
            leaves = sum(each for each, _ in inner) + 1 / _MAX_LEAVES
            known[id(value)] = leaves, max((each for _, each in inner), default=0) + 1 / MAX_DEPTH
    return known[id(value)]
