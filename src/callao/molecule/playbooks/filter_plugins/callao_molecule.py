# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for the driver's playbooks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.callao.lima.plugins.module_utils._lima_yaml import to_lima_names

from callao.errors import InstanceNotFound
from callao.host import Host, lima_home
from callao.instances import inspect
from callao.molecule import instances


class FilterModule:
    """Ansible finds these filters in the playbooks' folder."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "callao_boxes": planned,
            "callao_owned": owned,
        }


def planned(platforms: Iterable[Mapping[str, Any]], *where: str) -> list[dict[str, Any]]:
    """The instances of platforms, whose fields may be spelled as in the modules or as in lima.yaml."""
    return instances.planned_instances([to_lima_names(platform) for platform in platforms], *where)


def owned(wanted: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of the instances that exist and were made for this project.

    Reads the instances here, because starting a module would take longer than all else when there are none.
    """
    home, host = lima_home(), Host.detect()
    all_of_them, labels = list(wanted), {}
    for name in (box["options"]["name"] for box in all_of_them):
        with contextlib.suppress(InstanceNotFound):
            labels[name] = inspect(name, home, host).labels
    return instances.owned(all_of_them, labels)
