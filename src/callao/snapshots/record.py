# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down of a saved state."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from callao.instances import MachineLayout


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """What a state with memory is bound to: only a machine of which this is the same can go on from it."""

    words: tuple[str, ...]
    """The hypervisor's version and command line, see :meth:`callao.drivers.base.Driver.machine_arguments`."""
    shape: MachineLayout
    disks: dict[str, int] = {}
    """The additional disks that the machine had, and the slot of each."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """snapshot.json. ``layer`` is the name of the disk as it was, ``disks`` those of the additional disks in
    their folders; ``bound`` is None for disks alone."""

    name: str
    layer: str
    disks: dict[str, str] = {}
    bound: Bound | None = None
    created: float = msgspec.field(default_factory=time.time)


def differences(saved: Sequence[str], now: Sequence[str]) -> str:
    """What of two command lines differs, as people read it; empty when nothing does."""
    before, after = _options(saved), _options(now)
    told = []
    for option in dict.fromkeys((*before, *after)):
        was, is_now = before.get(option, []), after.get(option, [])
        if was != is_now:
            gone = ", ".join(each for each in was if each not in is_now) or "fewer or none"
            come = ", ".join(each for each in is_now if each not in was) or "fewer or none"
            told.append(f"{option} was {gone} and is {come}")
    return "; ".join(told)


def _options(words: Sequence[str]) -> dict[str, list[str]]:
    """Option to its values; every option of ours that has no value stands alone."""
    found: dict[str, list[str]] = {}
    option = ""
    for word in words:
        if word.startswith("-"):
            option = word
            found.setdefault(option, [])
        else:
            found[option].append(word)
    return found
