# SPDX-License-Identifier: GPL-3.0-or-later
"""Go's text/template: the language of ``{{…}}`` in lima.yaml, read and evaluated exactly.

Templates are not trusted: their time and output are limited.
"""

from callao.gotemplate.evaluator import MissingValue
from callao.gotemplate.expand import execute, referenced_fields
from callao.gotemplate.functions import Builtin
from callao.gotemplate.values import (
    Address,
    AnyMap,
    GoList,
    Int64,
    Pointer,
    StringMap,
    Struct,
    Value,
    to_go_values,
)

__all__ = [
    "Address",
    "AnyMap",
    "Builtin",
    "GoList",
    "Int64",
    "MissingValue",
    "Pointer",
    "StringMap",
    "Struct",
    "Value",
    "execute",
    "referenced_fields",
    "to_go_values",
]
