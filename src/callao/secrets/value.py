# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret's value, which shows itself to nobody who prints the record that it is in."""

from __future__ import annotations

import hmac

LONGEST = 1 << 16
"""Bytes of a value: a private key or a kubeconfig has a few thousand."""


class SecretValue:
    """``data`` is the value. Text made of it, as in a traceback or a log, has none of it."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __repr__(self) -> str:
        return "SecretValue(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretValue) and hmac.compare_digest(self.data, other.data)

    def __hash__(self) -> int:
        raise TypeError("a secret's value has no hash")

    def __reduce__(self) -> str:
        raise TypeError("a secret's value is not written to a file")
