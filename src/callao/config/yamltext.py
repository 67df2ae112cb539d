# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads YAML text as Lima does, and writes it in a readable style.

PyYAML's C parser makes the nodes, because it is the fastest. Their values are computed in
:mod:`callao.config.nodes`, because PyYAML's constructors implement YAML 1.1 only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from callao.config.nodes import MAX_DEPTH, NodeError, build, documents
from callao.config.scalars import NullKey, resolve
from callao.errors import ConfigError, Problem

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_PARSER_ERRORS = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""Errors of PyYAML's parser: all but the first escape from it, for malformed tags and for deep nesting."""


_SEPARATOR = re.compile(r"^(?:---|\.\.\.)(?:\s|$)", re.MULTILINE)
"""The separator of documents, which may also begin or end a single one."""


class _BlockDumper(_Dumper):  # type: ignore[misc]
    """Scripts as literal blocks."""


def _represent_text(dumper: Any, text: str) -> Any:
    """Quotes text that Lima's library would not read as text; PyYAML quotes for YAML 1.1 itself."""
    style = "|" if "\n" in text else None if isinstance(resolve(text), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_BlockDumper.add_representer(str, _represent_text)
_BlockDumper.add_representer(NullKey, lambda dumper, _key: dumper.represent_none(None))


def load(text: str, source: str) -> dict[str, object]:
    """The first document of a YAML text; an empty one is an empty mapping.

    :param source: the file of the text, for messages.
    :raises ConfigError: for text that is not YAML, with line and column; for keys that repeat; for
        anything that is not a mapping with names as keys.
    """
    try:
        nodes = documents(text)
        document = build(nodes[0]) if nodes else None
    except NodeError as error:
        raise ConfigError([error.problem], source=source) from None
    except _PARSER_ERRORS as error:
        raise ConfigError([_syntax_problem(error)], source=source) from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError(
            [Problem(".", _shortened(document), "is not a mapping", "a mapping")], source=source
        )
    return document


def has_more_documents(text: str) -> bool:
    """Whether documents follow the first one, which :func:`load` reads.

    :param text: that :func:`load` takes.
    """
    return _SEPARATOR.search(text) is not None and len(documents(text)) > 1


def dump(document: Mapping[str, object]) -> str:
    """YAML text in block style, the document's own order, scripts as ``|`` blocks."""
    return dump_value(dict(document))


def dump_value(value: object) -> str:
    """Dump any value."""
    text: str = yaml.dump(
        value,
        Dumper=_BlockDumper,
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        width=100,
    )
    return text.removesuffix("...\n")


def _syntax_problem(error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    message = getattr(error, "problem", None) or next(iter(str(error).splitlines()), type(error).__name__)
    if isinstance(error, RecursionError):
        return Problem(".", "", "is too deep to be read", f"at most {MAX_DEPTH} levels")
    begun, context = getattr(error, "context_mark", None), getattr(error, "context", None)
    if begun and context:
        message = f"{message} {context} from line {begun.line + 1}, column {begun.column + 1} on"
    return Problem(".", "", f"is not YAML: {message}", "YAML 1.2, as Lima reads it", line, column)


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
