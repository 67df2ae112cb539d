# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Converts the options of the module instance to a request to the engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.callao.lima.plugins.module_utils._engine import network_access
from ansible_collections.callao.lima.plugins.module_utils._lima_yaml import partial_lima_yaml, secret_values

if TYPE_CHECKING:
    from callao.lifecycle import Request


def request_of(params: dict[str, Any]) -> Request:
    """The request for the options."""
    from callao.lifecycle import Request

    return Request(
        name=params["name"],
        state=params["state"],
        template=params["template"],
        config=partial_lima_yaml(params),
        labels=params["labels"],
        force=params["force"],
        recreate=params["recreate"],
        restart=params["restart"],
        timeout=params["timeout"],
        warm=params["warm"],
        origin=params["from"] or "",
        renamed_from=params["renamed_from"] or "",
        protected=params["protected"],
        autostart=params["autostart"],
        lock=Path(params["lock"]) if params["lock"] else None,
        secret_values=secret_values(params),
        access=network_access(params["offline"]),
    )
