# SPDX-License-Identifier: GPL-3.0-or-later
"""What is held against what: taken or refused, and what it came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from callao.errors import CallaoError


@dataclass(frozen=True)
class Verdict:
    """``value`` is what the case is about, in a canonical form; ``why`` is for people."""

    taken: bool
    value: Any = None
    why: str = ""
    refusable: bool = False
    """Of a wanted verdict: a refusal is as good."""

    crashed: bool = False
    """Neither: an error that is none of ours."""

    def fits(self, wanted: Verdict) -> bool:
        if self.crashed:
            return False
        if not self.taken:
            return wanted.refusable or not wanted.taken
        return wanted.taken and self.value == wanted.value

    def __str__(self) -> str:
        return f"{'ok' if self.taken else 'refused'} {self.value if self.taken else self.why}"


def wanted_taken(case: dict[str, Any]) -> bool:
    """Whether Callao is to take it: as Lima does, unless the case says otherwise."""
    return bool(case.get("callao", case["lima"]) == "ok" if case.get("keep") else case["lima"] == "ok")


def wanted(case: dict[str, Any], key: str) -> Any:
    """What ``key`` is to be."""
    return case.get(f"callao_{key}", case.get(key)) if case.get("keep") else case.get(key)


def attempt(make: Callable[[], Any]) -> Verdict:
    """What ``make`` comes to. Only our own errors are refusals."""
    try:
        return Verdict(True, make())
    except CallaoError as error:
        return Verdict(False, why=str(error))
    except Exception as error:
        return Verdict(False, why=repr(error), crashed=True)
