# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits a YAML text in place, keeping comments, order and style of everything else.

The positions of the text's YAML nodes say what to replace. The result is loaded again and used only when it
equals the wanted document, because aliases and merge keys can make one change appear in two places.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

import yaml

from callao.config.source_lines import ITEM, EntryPath, SourceLines, item_key
from callao.config.yamltext import dump, load
from callao.errors import ConfigError

_COMMENT = re.compile(r"(?:^|\s)#", re.MULTILINE)
_MAX_WIDTH = 10**6
"""Columns: prevents that PyYAML breaks a long value over several lines."""


def patched(
    text: str, document: Mapping[str, object], source_lines: SourceLines | None = None
) -> str | None:
    """``text`` edited so that it loads as ``document``. None when a comment would be lost, or when the text
    is not a YAML mapping.

    :param source_lines: the source lines of entries that ``text`` does not have, with their comments.
    """
    try:
        before = load(text, "lima.yaml")
        if before == document:
            return text
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        edit = _Edit(text, source_lines or SourceLines())
        if root is None or (isinstance(root, yaml.ScalarNode) and not root.value):
            edit.replace(
                len(text.rstrip()), len(text), "\n" + dump(document) if text.strip() else dump(document)
            )
        else:
            edit.mapping(root, before, document, ())
        after = edit.result()
        return after if load(after, "lima.yaml") == document else None
    except (_CommentLost, ConfigError, yaml.YAMLError):
        return None


class _CommentLost(Exception):
    """A change that would delete a comment, or that cannot be made in place."""


@dataclass
class _Edit:
    """The changes of one text, by their offsets in the original."""

    text: str
    source_lines: SourceLines
    changes: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def _line_break(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def replace(self, begin: int, end: int, new: str) -> None:
        self.changes.append((begin, end, new))

    def result(self) -> str:
        """The edited text; insertions at the same offset keep their order."""
        parts, behind = [], 0
        for begin, end, new in sorted(self.changes, key=lambda each: each[:2]):
            if begin < behind:
                raise _CommentLost
            parts += [self.text[behind:begin], new.replace("\n", self._line_break)]
            behind = end
        return "".join([*parts, self.text[behind:]])

    def mapping(
        self, node: yaml.Node, before: Mapping[str, Any], after: Mapping[str, Any], path: EntryPath
    ) -> None:
        if not isinstance(node, yaml.MappingNode) or (node.flow_style and set(before) != set(after)):
            raise _CommentLost
        own = {key.value: (key, value) for key, value in node.value}
        for name, (key, value) in own.items():
            if name not in after:
                self._remove(key, value)
            elif name not in before or before[name] != after[name]:
                self.value(key, value, before.get(name), after[name], (*path, name))
        merged = {key: value for key, value in before.items() if key not in own}  # by <<
        fresh = {
            key: value
            for key, value in after.items()
            if key not in own and (key not in merged or merged[key] != value)
        }
        if fresh:
            self._append(node, "".join(self._entry(key, value, path) for key, value in fresh.items()))

    def _entry(self, key: str, value: Any, path: EntryPath) -> str:
        return self.source_lines.find((*path, key), value) or dump({key: value})

    def value(self, key: yaml.Node, node: yaml.Node, before: Any, after: Any, path: EntryPath) -> None:
        """Change the value of a key."""
        if isinstance(before, Mapping) and isinstance(after, Mapping) and before and after:
            self._edit_or_replace(lambda: self.mapping(node, before, after, path), key, node, after)
        elif isinstance(before, list) and isinstance(after, list) and before and after:
            self._edit_or_replace(lambda: self.sequence(node, before, after, path), key, node, after)
        else:
            self._replace_value(key, node, after)

    def _edit_or_replace(
        self, change: Callable[[], None], key: yaml.Node, node: yaml.Node, after: Any
    ) -> None:
        """Edit inside the value if possible, else replace it as a whole."""
        kept = list(self.changes)
        try:
            change()
        except _CommentLost:
            self.changes = kept
            self._replace_value(key, node, after)

    def sequence(
        self, node: yaml.Node, before: Sequence[Any], after: Sequence[Any], path: EntryPath
    ) -> None:
        if not isinstance(node, yaml.SequenceNode) or node.flow_style or len(node.value) != len(before):
            raise _CommentLost
        dashes = self._dashes(node)
        ends = [self._line_end(_end(self.text, item)) for item in node.value]
        old, new = [dump({"": each}) for each in before], [dump({"": each}) for each in after]
        for kind, low, high, first, last in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
            if kind == "replace" and high - low == last - first:
                for item, was, now, dash in zip(
                    node.value[low:high], before[low:high], after[first:last], dashes[low:high], strict=True
                ):
                    self._item(item, was, now, dash, (*path, item_key(was)))
            elif kind != "equal":
                for begin, end in zip(dashes[low:high], ends[low:high], strict=True):
                    self.replace(begin, end, "")
                at = dashes[low] if low < len(dashes) else ends[-1]
                column = node.start_mark.column
                new_items = [self._new_item(each, column, (*path, ITEM)) for each in after[first:last]]
                self.replace(at, at, self._lines(new_items, at))

    def _new_item(self, value: Any, column: int, path: EntryPath) -> str:
        known = self.source_lines.find(path, value)
        return _indented(known, column, first=True) if known else _items([value], column)

    def _item(self, node: yaml.Node, before: Any, after: Any, dash: int, path: EntryPath) -> None:
        kept = list(self.changes)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            try:
                self.mapping(node, before, after, path)
                return
            except _CommentLost:
                self.changes = kept
        end = _end(self.text, node)
        self._refuse_comments(node)
        indent = self.text.rfind("\n", 0, dash) + 1
        column = len(self.text[dash:]) - len(self.text[dash:].lstrip(" "))
        self.replace(indent, end, _items([after], column).rstrip("\n"))

    def _replace_value(self, key: yaml.Node, node: yaml.Node, after: Any) -> None:
        begin, end = node.start_mark.index, _end(self.text, node)
        if after and not isinstance(after, str):  # a value that becomes empty may lose its comments
            self._refuse_comments(node)
        plain = _inline(after)
        colon = self.text.index(":", key.end_mark.index) + 1
        if plain is not None and "\n" in self.text[colon:begin]:
            self.replace(colon, colon, f" {plain}")
            self.replace(self._line_end(colon), self._line_end(end), "")
            return
        if plain is not None:
            space = "" if self.text[begin - 1 : begin].isspace() else " "
            self.replace(begin, end, space + plain)
            return
        rest = self.text[end : self._line_end(end)].strip()
        name, column = key.start_mark.index, key.start_mark.column
        block = _indented(dump({key.value: after}), column).rstrip("\n")
        if rest:  # move a comment beside the value above it, because a block scalar would include it
            if not rest.startswith("#"):
                raise _CommentLost
            self.replace(end, self._line_end(end) - 1, "")
            block = f"{rest}\n{' ' * column}{block}"
        self.replace(name, end, block)

    def _remove(self, key: yaml.Node, node: yaml.Node) -> None:
        begin = self._line_begin(key.start_mark.index)
        if self.text[begin : key.start_mark.index].strip():
            raise _CommentLost  # behind a dash
        self.replace(begin, self._line_end(_end(self.text, node)), "")

    def _append(self, node: yaml.MappingNode, lines: str) -> None:
        last = max(_end(self.text, value) for _, value in node.value)
        at = self._line_end(max(last, node.value[-1][0].end_mark.index))
        self.replace(
            at, at, self._lines([_indented(lines, node.value[0][0].start_mark.column, first=True)], at)
        )

    def _lines(self, parts: Sequence[str], at: int) -> str:
        """Whole lines; begins with a line break when the text's last line has none."""
        new = "".join(parts)
        return f"\n{new}" if new and at and self.text[at - 1] != "\n" else new

    def _dashes(self, node: yaml.SequenceNode) -> list[int]:
        """The offset at which the line of each item begins."""
        found: list[int] = []
        for item in node.value:
            begin = self._line_begin(self.text.rfind("-", 0, item.start_mark.index + 1))
            if self.text[begin:].lstrip(" ")[:1] != "-" or (found and begin <= found[-1]):
                raise _CommentLost
            found.append(begin)
        return found

    def _refuse_comments(self, node: yaml.Node) -> None:
        """Refuse comments inside a node; in a scalar, # is text."""
        begin, end = node.start_mark.index, _end(self.text, node)
        for scalar in _scalars(node):
            if _COMMENT.search(self.text[begin : scalar.start_mark.index]):
                raise _CommentLost
            begin = max(begin, _end(self.text, scalar))
        if _COMMENT.search(self.text[begin:end]):
            raise _CommentLost

    def _line_begin(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        """The offset after the line's end."""
        found = self.text.find("\n", at)
        return len(self.text) if found < 0 else found + 1


def _end(text: str, node: yaml.Node) -> int:
    """The offset at which a node's own text ends; PyYAML's mark includes comments and blank lines after
    it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        key, value = last if isinstance(last, tuple) else (last, last)
        return max(_end(text, key), _end(text, value))
    begin = node.start_mark.index
    return begin + len(text[begin : node.end_mark.index].rstrip())


def _scalars(node: yaml.Node) -> Iterator[yaml.Node]:
    """The scalars of a node, in the text's order."""
    if not isinstance(node, yaml.CollectionNode):
        yield node
        return
    for entry in node.value:
        for each in entry if isinstance(entry, tuple) else (entry,):
            yield from _scalars(each)


def _inline(value: Any) -> str | None:
    """A value written on its key's line; None for a value that needs several lines."""
    if isinstance(value, str) and "\n" in value:
        return None
    if isinstance(value, dict | list) and value:
        return None
    text: str = yaml.dump(
        value, Dumper=yaml.SafeDumper, default_flow_style=True, allow_unicode=True, width=_MAX_WIDTH
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _items(values: Sequence[Any], column: int) -> str:
    lines = dump({"": list(values)}).splitlines(keepends=True)[1:]
    return "".join(" " * column + line if line.strip() else line for line in lines)


def _indented(text: str, column: int, *, first: bool = False) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(
        " " * column + line if (index or first) and line.strip() else line
        for index, line in enumerate(lines)
    )
