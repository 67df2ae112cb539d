# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the line and column of a problem in its YAML text.

Plain dicts have no lines, so the text is parsed a second time, only when there is a problem.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from callao.errors import Problem

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INDEX = re.compile(r"\[(\d+)\]")
_MERGE = "tag:yaml.org,2002:merge"


def locate_problems(problems: Sequence[Problem], text: str, *, layer: bool = False) -> list[Problem]:
    """The problems with the lines and columns of their paths in ``text``. A missing field gets the position
    of the nearest parent that exists. A problem that has a line already keeps it.

    :param layer: ``text`` is one of several merged texts: only fields that it contains are located. Because
        indices may differ in the merged document, the value of a list's entry must be equal, too. Call this
        for each text, the most specific first.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return list(problems)
    if root is None:
        return list(problems)
    return [problem if problem.line else _located(problem, root, layer) for problem in problems]


def _located(problem: Problem, root: yaml.Node, layer: bool) -> Problem:
    path = "" if problem.path == "." else problem.path
    mark, value, rest = _walk(root, path)
    if layer and (rest or ("[" in path and not _same(value, problem.value))):
        return problem
    return problem._replace(line=mark.line + 1, column=mark.column + 1)


def _walk(node: yaml.Node, path: str) -> tuple[Any, yaml.Node, str]:
    """Follow ``path`` as far as nodes exist: the mark, the node, and the rest of the path."""
    mark = node.start_mark
    while path:
        found = _item(node, path) if isinstance(node, yaml.SequenceNode) else _entry(node, path)
        if found is None:
            break
        mark, node, path = found
    return mark, node, path


def _item(node: yaml.Node, path: str) -> tuple[Any, yaml.Node, str] | None:
    match = _INDEX.match(path)
    if match is None or int(match.group(1)) >= len(node.value):
        return None
    item = node.value[int(match.group(1))]
    return item.start_mark, item, path[match.end() :].removeprefix(".")


def _entry(node: yaml.Node, path: str) -> tuple[Any, yaml.Node, str] | None:
    """Keys may contain dots (in ``hostResolver.hosts``), so the longest key that matches is taken."""
    fitting = [
        (len(key.value), key, value)
        for key, value in _entries(node, set())
        if path.startswith(key.value) and path[len(key.value) :][:1] in ("", ".", "[")
    ]
    if not fitting:
        return None
    length, key, value = max(fitting, key=lambda each: each[0])
    return key.start_mark, value, path[length:].removeprefix(".")


def _entries(node: yaml.Node, seen: set[int]) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    """A mapping's own entries, then those merged by ``<<``."""
    if not isinstance(node, yaml.MappingNode) or id(node) in seen:
        return
    seen.add(id(node))
    taken: list[yaml.Node] = []
    for key, value in node.value:
        if key.tag == _MERGE:
            taken += value.value if isinstance(value, yaml.SequenceNode) else [value]
        elif isinstance(key, yaml.ScalarNode):
            yield key, value
    for each in taken:
        yield from _entries(each, seen)


def _same(node: yaml.Node, value: object) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == str(value)
