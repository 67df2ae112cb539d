# SPDX-License-Identifier: GPL-3.0-or-later
"""``eq`` and ``lt``, which implement the other comparisons: Go compares values of one kind only."""

from __future__ import annotations

from callao.gotemplate.quoting import to_bytes
from callao.gotemplate.values import Kind, Value, kind, type_name

_BASIC = frozenset((Kind.BOOL, Kind.INT, Kind.UINT, Kind.FLOAT, Kind.COMPLEX, Kind.STRING))
_WHOLE = frozenset((Kind.INT, Kind.UINT))
_ORDERED = _BASIC - {Kind.BOOL, Kind.COMPLEX}


def equal(one: Value, other: Value) -> bool:
    """
    :raises ValueError: when the two cannot be compared.
    """
    kinds = kind(one), kind(other)
    if kinds[0] in _BASIC and kinds[0] is kinds[1]:
        return bool(one == other)
    if _WHOLE.issuperset(kinds):
        return bool(one == other)
    if Kind.INVALID in kinds:
        return _is_nil(one) and _is_nil(other)
    if kinds[0] in _BASIC or kinds[1] in _BASIC:
        raise _incompatible(one, other)
    if kinds[0] is kinds[1] is Kind.POINTER:
        return one is other or (_is_nil(one) and _is_nil(other))
    raise ValueError(f"values of type {type_name(one)} cannot be compared")


def less(one: Value, other: Value) -> bool:
    """
    :raises ValueError: when the two have no order.
    """
    kinds = kind(one), kind(other)
    if not _WHOLE.issuperset(kinds) and not (kinds[0] is kinds[1] and kinds[0] in _ORDERED):
        raise _incompatible(one, other)
    return to_bytes(one) < to_bytes(other) if kinds[0] is Kind.STRING else bool(one < other)


def _is_nil(value: Value) -> bool:
    return value is None or (kind(value) is Kind.POINTER and value.target is None)


def _incompatible(one: Value, other: Value) -> ValueError:
    return ValueError(f"values of type {type_name(one)} and {type_name(other)} cannot be compared")
