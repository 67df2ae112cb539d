# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits a guest's file by an expression: provision mode ``yq``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from callao.config.nodes import NodeError, build, documents
from callao.config.patch import patched
from callao.config.run_jq import JqFailed, run_jq
from callao.config.yamltext import dump_value
from callao.config.yq import Unsupported, yq_to_jq

FORMATS = ("auto", "json", "yaml")
_BY_SUFFIX = {
    ".json": "json", ".csv": "csv", ".ini": "ini", ".properties": "props", ".toml": "toml", ".tsv": "tsv",
    ".xml": "xml",
}  # fmt: skip
"""The format that yq assumes by a file's suffix; YAML otherwise."""


class NotEdited(Exception):
    """The file cannot be edited; the text says why."""


def form_of(form: str, path: str) -> str:
    """``json``, ``yaml``, or the name of a format that is not implemented."""
    return _BY_SUFFIX.get(PurePosixPath(path).suffix, "yaml") if form == "auto" else form


def edited(text: str | None, expression: str, form: str) -> str:
    """The file's text changed by the expression; YAML comments stay where possible.

    :param text: None for a file that is not there: it begins as null.
    :param form: see :func:`form_of`.
    :raises NotEdited: when it makes nothing of it.
    """
    before = None if text is None else _read(text, form)
    try:
        found = run_jq(yq_to_jq(expression), before)
    except (Unsupported, JqFailed) as error:
        raise NotEdited(str(error)) from None
    if len(found) != 1:
        raise NotEdited(f"the expression comes to {len(found)} values, and a file has one")
    if text is not None and found[0] == before:
        return text
    if form == "json":
        return json.dumps(found[0], indent=2, ensure_ascii=False) + "\n"
    if text is not None and isinstance(before, Mapping) and isinstance(found[0], Mapping):
        kept = patched(text, found[0])
        if kept is not None:
            return kept
    return dump_value(found[0])


def _read(text: str, form: str) -> Any:
    if not text.strip():
        return None
    try:
        if form == "json":
            return json.loads(text)
        nodes = documents(text)
        if len(nodes) > 1:
            raise NotEdited("the file has more than one YAML document")
        return build(nodes[0]) if nodes else None
    except NodeError as error:
        raise NotEdited(f"the file cannot be read: {error.problem}") from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise NotEdited(f"the file is not {form}: {str(error).splitlines()[0]}") from None
