# SPDX-License-Identifier: GPL-3.0-or-later
"""lima.yaml as text: read strictly, written so that people like to read it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import yaml

from callao.errors import ConfigError, Problem

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Strict(_Loader):  # type: ignore[misc]
    """YAML 1.2 section 3.2.1.1: the keys of a mapping are unique. PyYAML lets the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                mark = key_node.start_mark
                raise _Repeated(str(key), mark.line + 1, mark.column + 1)
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


class _Repeated(Exception):
    def __init__(self, key: str, line: int, column: int) -> None:
        super().__init__(key)
        self.problem = Problem(key, key, f"stands here a second time, line {line}, column {column}", "once")


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
    except (yaml.YAMLError, ValueError, TypeError) as error:
        # PyYAML lets the last two through: a date that is none, a list as a key.
        raise ConfigError([_not_yaml(error)], source=source) from None
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise ConfigError([Problem(".", _brief(document), "is not a lima.yaml", "a mapping")], source=source)
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


def _not_yaml(error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    words = getattr(error, "problem", None) or str(error).splitlines()[0]
    return Problem(".", "", f"is not YAML{where}: {words}", "YAML 1.1, as PyYAML reads it")


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
