# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes YAML documents for cloud-init, with scripts as literal blocks."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

Document = dict[str, object]


class _Dumper(yaml.SafeDumper):
    """Writes text of more than one line as a block."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def dump(document: Mapping[str, object], *, heading: str = "") -> bytes:
    """The document as UTF-8 YAML, keys in the order given."""
    text = yaml.dump(
        dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**16, indent=2
    )
    return (heading + text).encode()
