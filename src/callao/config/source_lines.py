# SPDX-License-Identifier: GPL-3.0-or-later
"""The source lines of each entry in a YAML text, with the comments above and beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from callao.config.nodes import documents
from callao.config.yamltext import dump_value, load
from callao.errors import ConfigError

EntryPath = tuple[str, ...]
"""The keys from the root to an entry; ``-`` for an entry of a list, and ``-NAME`` for a key inside it."""

ITEM = "-"
_NAMES = ("mountPoint", "location", "name", "interface")


def item_key(item: object) -> str:
    """The path element for keys inside a list's entry: ``-NAME``, as merging identifies entries by name."""
    if not isinstance(item, Mapping):
        return ITEM
    return next((f"{ITEM}{item[key]}" for key in _NAMES if isinstance(item.get(key), str)), ITEM)


@dataclass(frozen=True)
class SourceLines:
    """Source lines by path and value. None where two texts write the same value differently."""

    lines: dict[tuple[EntryPath, str], str | None] = field(default_factory=dict)

    def find(self, path: EntryPath, value: object) -> str | None:
        """The lines, dedented to column 0 and ending with a line break; None when they are not known."""
        return self.lines.get((path, dump_value(value)))

    def collect(self, text: str) -> None:
        """Collect from the first document of ``text``, which is YAML."""
        root = next(iter(documents(text)), None)
        if root is not None:
            self._collect(root, (), text.splitlines(keepends=True))

    def _collect(self, node: yaml.Node, path: EntryPath, lines: Sequence[str]) -> None:
        if not isinstance(node, yaml.CollectionNode) or node.flow_style:
            return
        for entry in node.value:
            if isinstance(entry, tuple):
                key, value = entry
                where = inner = (*path, str(key.value))
                column = key.start_mark.column
            else:
                key, value = entry, entry
                where, inner = (*path, ITEM), (*path, item_key(_scalar_values(entry)))
                column = node.start_mark.column
            self._add(where, _entry_lines(lines, key.start_mark.line, _last_line(value), column))
            self._collect(value, inner, lines)

    def _add(self, path: EntryPath, source: str) -> None:
        try:
            read = load(source if path[-1] != ITEM else f"{ITEM}:\n{source}", "")
        except ConfigError:
            return  # the lines contain an alias of another place, or a key after a dash
        if "#" not in source or list(read) != [path[-1]]:
            return
        value = read[path[-1]]
        if path[-1] == ITEM and isinstance(value, list) and len(value) == 1:
            value = value[0]
        known = self.lines.setdefault((path, dump_value(value)), source)
        if known != source:
            self.lines[path, dump_value(value)] = None


def _scalar_values(node: yaml.Node) -> dict[str, object]:
    """The scalar values of a mapping."""
    entries = node.value if isinstance(node, yaml.MappingNode) else ()
    return {str(key.value): value.value for key, value in entries if isinstance(value, yaml.ScalarNode)}


def _last_line(node: yaml.Node) -> int:
    """The line in which a node's own text ends; PyYAML's mark includes comments and blank lines after it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return max(_last_line(each) for each in (last if isinstance(last, tuple) else (last,)))
    mark = node.end_mark
    block = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
    return int(mark.line - 1 if block and mark.column == 0 else mark.line)


def _entry_lines(lines: Sequence[str], first: int, last: int, column: int) -> str:
    """The lines ``first`` to ``last`` and the comments directly above, dedented to column 0."""
    begin = first
    while begin > 0 and lines[begin - 1].startswith(" " * column + "#"):
        begin -= 1
    moved = [line[column:] if line.strip() else "\n" for line in lines[begin : last + 1]]
    return "".join(moved).rstrip() + "\n"
