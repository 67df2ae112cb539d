# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver's decisions, for its playbooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from callao.host import lima_home
from callao.molecule import boxes


class FilterModule:
    """Found by Ansible beside the playbooks."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "callao_boxes": boxes.boxes,
            "callao_owned": boxes.owned,
            "callao_present": present,
            "callao_records": boxes.records,
        }


def present(wanted: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the boxes that exist, whose ever they are."""
    home = lima_home()
    return [name for box in wanted if (home / (name := box["options"]["name"])).exists()]
