# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command-line parser says to one argument list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Refusal(Exception):
    """The program ends without a machine; ``exit`` is its status (0 for help and version)."""

    def __init__(self, why: str, *, exit: int = 1) -> None:  # noqa: A002
        super().__init__(why)
        self.why = why
        self.exit = exit


@dataclass(frozen=True)
class Verdict:
    """``parsed``: what the program holds when it accepts; ``why`` and ``exit`` when it refuses."""

    accepted: bool
    parsed: Mapping[str, Any] | None = None
    why: str = ""
    exit: int = 0
