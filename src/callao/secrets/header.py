# SPDX-License-Identifier: GPL-3.0-or-later
"""Which values can stand in a header of HTTP. Pure."""

from __future__ import annotations

import re

from callao.secrets.source import SecretUnavailable
from callao.secrets.value import SecretValue

LONGEST_HEADER = 1 << 13
"""Bytes: servers take no longer ones, as a rule."""

_VISIBLE = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def header_value(name: str, value: SecretValue) -> SecretValue:
    """The value without the newline at the end of a file.

    :raises SecretUnavailable: for one with control characters, which could begin another header or request.
    """
    data = value.data.removesuffix(b"\n").removesuffix(b"\r")
    if len(data) > LONGEST_HEADER or not _VISIBLE.fullmatch(data):
        raise SecretUnavailable(
            f"secrets: {name}: its value cannot stand in a header (allowed: visible ASCII characters, with "
            f"spaces within, at most {LONGEST_HEADER})."
        )
    return SecretValue(data)
