# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON and YAML in colour, for a terminal: keys, strings, and all other scalars."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

_KEY, _STRING, _OTHER, _END = "\x1b[36m", "\x1b[32m", "\x1b[35m", "\x1b[0m"
"""See ECMA-48, SGR."""

_INDENT = "    "


def in_colour() -> bool:
    """Whether data is written in colour: to a terminal, see no-color.org.

    ``_LIMA_OUTPUT_IS_TTY`` has a pipe count as one, as for limactl.
    """
    terminal = bool(os.environ.get("_LIMA_OUTPUT_IS_TTY")) or sys.stdout.isatty()
    return terminal and not os.environ.get("NO_COLOR")


def coloured_json(value: Any, margin: str = "") -> str:
    """The value as indented JSON."""
    inner = margin + _INDENT
    if isinstance(value, Mapping) and value:
        entries = [
            f"{inner}{_KEY}{json.dumps(str(key), ensure_ascii=False)}{_END}: {coloured_json(each, inner)}"
            for key, each in value.items()
        ]
        return "{\n" + ",\n".join(entries) + f"\n{margin}}}"
    if isinstance(value, list | tuple) and value:
        return "[\n" + ",\n".join(f"{inner}{coloured_json(each, inner)}" for each in value) + f"\n{margin}]"
    colour = _STRING if isinstance(value, str) else _OTHER
    return f"{colour}{json.dumps(value, ensure_ascii=False)}{_END}"


def coloured_yaml(text: str) -> str:
    """A YAML text with its scalars in colour; nothing else of it changes. Other texts stay as they are."""
    import yaml

    parts: list[str] = []
    place, is_key = 0, False
    try:
        tokens = list(yaml.scan(text))
    except yaml.YAMLError:
        return text
    for token in tokens:
        if isinstance(token, yaml.KeyToken):
            is_key = True
        elif isinstance(token, yaml.ScalarToken):
            begin, end = token.start_mark.index, token.end_mark.index
            colour = _KEY if is_key else _STRING
            scalar = text[begin:end]
            bare = scalar.rstrip("\n")  # the line's end stays outside the colour
            parts += [text[place:begin], colour, bare, _END, scalar[len(bare) :]]
            place, is_key = end, False
    return "".join([*parts, text[place:]])
