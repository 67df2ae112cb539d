# SPDX-License-Identifier: GPL-3.0-or-later
"""Go's text/template: the language of ``{{…}}`` in lima.yaml, read and evaluated exactly.

Templates are not trusted: what they may cost is bounded.
"""

from callao.gotemplate.evaluator import Missing
from callao.gotemplate.expand import execute, fields_named
from callao.gotemplate.values import (
    Address,
    AnyMap,
    GoList,
    Int64,
    Pointer,
    StringMap,
    Struct,
    Value,
    values_of,
)

__all__ = [
    "Address",
    "AnyMap",
    "GoList",
    "Int64",
    "Missing",
    "Pointer",
    "StringMap",
    "Struct",
    "Value",
    "execute",
    "fields_named",
    "values_of",
]
