# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that a request wants made where they do not exist: ``size`` beside an entry of ``additionalDisks``.

lima.yaml has no such key: the size belongs to the disk, which outlives the instance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from callao.disks import names
from callao.disks.change import create, size_of
from callao.images.formats import ImageFormat
from callao.instances import Target
from callao.lifecycle.request import Outcome, Request

ACTION = "create-disk"
"""What an outcome's ``actions`` have for each."""

_FIELD = "additionalDisks"


def split_disk_sizes(request: Request) -> tuple[Request, dict[str, int]]:
    """The request as lima.yaml can have it, and the sizes in bytes, by the names of the disks.

    :raises DiskError: for what is no size.
    """
    entries = request.config.get(_FIELD)
    if not isinstance(entries, list):
        return request, {}
    sizes: dict[str, int] = {}
    rest: list[object] = []
    for index, entry in enumerate(entries):
        if isinstance(entry, Mapping) and "size" in entry:
            size = size_of(entry["size"], f"{_FIELD}[{index}].size")
            sizes[str(entry.get("name"))] = size
            entry = {key: value for key, value in entry.items() if key != "size"}
        rest.append(entry)
    if not sizes:
        return request, {}
    return replace(request, config={**request.config, _FIELD: rest}), sizes


def missing_disks(request: Request, sizes: Mapping[str, int], home: Path) -> dict[str, int]:
    """Those that the request needs and that are not there."""
    if not sizes or request.state in (Target.STOPPED, Target.ABSENT):
        return {}
    there = names(home)
    return {name: size for name, size in sizes.items() if name not in there}


def create_disks(sizes: Mapping[str, int], home: Path) -> None:
    """:raises DiskError: when one cannot be made."""
    for name, size in sizes.items():
        create(name, home, size=size, form=ImageFormat.QCOW2)


def with_created_disks(outcome: Outcome, made: Mapping[str, int]) -> Outcome:
    """The outcome of a request for which these were made, or would be."""
    if not made:
        return outcome
    return replace(outcome, changed=True, actions=(*(ACTION for _ in made), *outcome.actions))
