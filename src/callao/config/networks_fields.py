# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the fields of a mapping in networks.yaml, collecting what is wrong and what is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from callao.config.scalars import as_text
from callao.errors import Problem

_MOST_UNKNOWN = 50
"""Unknown keys that are told one by one."""


@dataclass
class Fields:
    """One mapping.

    :param value: what stands in the document; null means an empty mapping.
    :param path: its place there; empty for the document itself.
    """

    value: object
    path: str = ""
    problems: list[Problem] = field(default_factory=list)
    unknown: list[Problem] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.value is not None and not isinstance(self.value, Mapping):
            self.problems.append(Problem(self.path or ".", self.value, "is not a mapping", "a mapping"))

    @property
    def given(self) -> Mapping[str, Any]:
        return self.value if isinstance(self.value, Mapping) else {}

    def place(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def inner(self, key: str) -> Fields:
        """The mapping under ``key``."""
        self.asked.append(key)
        return Fields(self.given.get(key), self.place(key), self.problems, self.unknown)

    def text(self, key: str) -> str:
        """The scalar under ``key`` as Lima reads it into text; empty where nothing is said."""
        self.asked.append(key)
        value = self.given.get(key)
        if isinstance(value, Mapping | list):
            self.problems.append(Problem(self.place(key), value, "is not a string", "a string"))
            return ""
        return "" if value is None else as_text(value)

    def told_unknown(self) -> None:
        """Add each key that nobody asked for to ``unknown``."""
        allowed = ", ".join(self.asked)
        for key in self.given:
            if key not in self.asked and len(self.unknown) < _MOST_UNKNOWN:
                self.unknown.append(
                    Problem(
                        self.place(key), key, "is not a field of networks.yaml, and is left out", allowed
                    )
                )
