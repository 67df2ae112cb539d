# SPDX-License-Identifier: GPL-3.0-or-later
"""``secrets``: values that a guest gets in memory. lima.yaml has their sources, never a value."""

from callao.secrets.header import header_value
from callao.secrets.source import SecretUnavailable, checked, read_secret, source_of
from callao.secrets.value import LONGEST, SecretValue

__all__ = [
    "LONGEST",
    "SecretUnavailable",
    "SecretValue",
    "checked",
    "header_value",
    "read_secret",
    "source_of",
]
