# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver's decisions, for its playbooks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.callao.lima.plugins.module_utils._lima_yaml import respelled

from callao.errors import InstanceNotFound
from callao.host import Host, lima_home
from callao.instances import inspect
from callao.molecule import instances


class FilterModule:
    """Found by Ansible beside the playbooks."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "callao_boxes": planned,
            "callao_owned": owned,
        }


def planned(platforms: Iterable[Mapping[str, Any]], *where: str) -> list[dict[str, Any]]:
    """The boxes of platforms whose fields are spelled as the modules' options or as in lima.yaml."""
    return instances.planned_instances([respelled(platform) for platform in platforms], *where)


def owned(wanted: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the boxes that exist and were made for this project.

    Read here, since a module takes longer to start than all else takes where there is little to remove.
    """
    home, host = lima_home(), Host.detect()
    all_of_them, labels = list(wanted), {}
    for name in (box["options"]["name"] for box in all_of_them):
        with contextlib.suppress(InstanceNotFound):
            labels[name] = inspect(name, home, host).labels
    return instances.owned(all_of_them, labels)
