# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors with their position in a template's text."""

from __future__ import annotations

from callao.errors import ExpressionError


def fault(text: str, place: int, message: str) -> ExpressionError:
    """An error that names line and column of ``place``, an offset into ``text``."""
    line = text.count("\n", 0, place) + 1
    column = place - text.rfind("\n", 0, place)
    return ExpressionError(message, line=line, column=column)
