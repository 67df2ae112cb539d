# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates disks of ``additionalDisks`` that have a ``size`` and do not exist.

lima.yaml has no key ``size``, because the size belongs to the disk, which outlives the instance.
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
"""The action in the outcome for each."""

_FIELD = "additionalDisks"


def split_disk_sizes(request: Request) -> tuple[Request, dict[str, int]]:
    """The request without the sizes, and the sizes in bytes by the names of the disks.

    :raises DiskError: for an invalid size.
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
    """The disks that the request needs and that do not exist."""
    if not sizes or request.state in (Target.STOPPED, Target.ABSENT):
        return {}
    there = names(home)
    return {name: size for name, size in sizes.items() if name not in there}


def create_disks(sizes: Mapping[str, int], home: Path) -> None:
    """:raises DiskError: when a disk cannot be created."""
    for name, size in sizes.items():
        create(name, home, size=size, form=ImageFormat.QCOW2)


def with_created_disks(outcome: Outcome, made: Mapping[str, int]) -> Outcome:
    """The outcome with an action for each disk that was created, or would be."""
    if not made:
        return outcome
    return replace(outcome, changed=True, actions=(*(ACTION for _ in made), *outcome.actions))
