# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits on what evaluating a template may cost: templates come from others."""

from __future__ import annotations

_STEPS = 200_000
_CHARACTERS_A_STEP = 64

LARGEST = 4 * 2**20
"""Characters of a template, and of what it comes to: Lima's limit for a whole lima.yaml."""


class Budget:
    """Steps of an evaluation; making text costs as well, by its length."""

    def __init__(self) -> None:
        self._left = _STEPS

    def spend(self, characters: int = 0) -> None:
        """
        :raises ValueError: when all is spent.
        """
        self._left -= 1 + characters // _CHARACTERS_A_STEP
        if self._left < 0:
            raise ValueError(f"the template takes more than {_STEPS} steps")
