# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits on the cost of evaluating a template, because templates are not trusted."""

from __future__ import annotations

_MAX_STEPS = 200_000
_CHARACTERS_PER_STEP = 64

MAX_CHARACTERS = 4 * 2**20
"""Characters of a template and of its result: Lima's limit for a whole lima.yaml."""


class Budget:
    """Counts the steps of an evaluation; output costs steps by its length."""

    def __init__(self) -> None:
        self._left = _MAX_STEPS

    def spend(self, characters: int = 0) -> None:
        """
        :raises ValueError: when all is spent.
        """
        self._left -= 1 + characters // _CHARACTERS_PER_STEP
        if self._left < 0:
            raise ValueError(f"the template takes more than {_MAX_STEPS} steps")
