# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of saved states."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from callao.instances import MachineLayout


class RequiredMachine(msgspec.Struct, frozen=True, kw_only=True):
    """What a saved state with memory depends on: only a machine for which this is equal can restore it."""

    arguments: tuple[str, ...] = msgspec.field(name="words")
    """See :meth:`callao.drivers.base.RestoringDriver.machine_arguments`."""
    layout: MachineLayout = msgspec.field(name="shape")
    disks: dict[str, int] = {}
    """The additional disks that the machine had, and the slot of each."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """snapshot.json. ``layer`` is the name of the disk's frozen layer, ``disks`` has those of the additional
    disks in their folders; ``machine`` is None for a snapshot without memory.
    """

    name: str
    layer: str
    disks: dict[str, str] = {}
    machine: RequiredMachine | None = msgspec.field(default=None, name="bound")
    created: float = msgspec.field(default_factory=time.time)


def command_line_differences(saved: Sequence[str], now: Sequence[str]) -> str:
    """The differences between two command lines, for a message; empty when they are equal."""
    saved_options, current_options = _values_by_option(saved), _values_by_option(now)
    messages = []
    for option in dict.fromkeys((*saved_options, *current_options)):
        before, after = saved_options.get(option, []), current_options.get(option, [])
        if before != after:
            removed = ", ".join(each for each in before if each not in after) or "fewer or none"
            added = ", ".join(each for each in after if each not in before) or "fewer or none"
            messages.append(f"{option} was {removed} and is {added}")
    return "; ".join(messages)


def _values_by_option(words: Sequence[str]) -> dict[str, list[str]]:
    """The values of each option; an option without a value has an empty list."""
    found: dict[str, list[str]] = {}
    option = ""
    for word in words:
        if word.startswith("-"):
            option = word
            found.setdefault(option, [])
        else:
            found[option].append(word)
    return found
