# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors with their position in a template's text."""

from __future__ import annotations

from callao.errors import ExpressionError


def expression_error(text: str, offset: int, message: str) -> ExpressionError:
    """An error that names line and column of ``place``, an offset into ``text``."""
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    return ExpressionError(message, line=line, column=column)
