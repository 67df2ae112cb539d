# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver's decisions, for its playbooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callao.molecule import boxes


class FilterModule:
    """Found by Ansible beside the playbooks."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"callao_boxes": boxes.boxes, "callao_owned": boxes.owned, "callao_records": boxes.records}
