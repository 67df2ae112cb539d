# SPDX-License-Identifier: GPL-3.0-or-later
"""Go's text/template: the language of ``{{…}}`` in lima.yaml, read and evaluated exactly."""

from callao.gotemplate.expand import execute, fields_named
from callao.gotemplate.values import (
    Address,
    AnyMap,
    GoList,
    Int64,
    Pointer,
    StringMap,
    Struct,
    Uint32,
    Value,
)

__all__ = [
    "Address",
    "AnyMap",
    "GoList",
    "Int64",
    "Pointer",
    "StringMap",
    "Struct",
    "Uint32",
    "Value",
    "execute",
    "fields_named",
]
