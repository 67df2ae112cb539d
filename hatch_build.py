# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wheel carries beside the engine: the templates and the whole collection.

An editable install finds both in the tree (see ``.dev``); copies of them would hide the tree's own.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COLLECTION = "ansible_collections/callao/lima"
CARRIED = {
    "templates": "callao/templates/builtin",
    "galaxy.yml": f"{COLLECTION}/galaxy.yml",
    "meta": f"{COLLECTION}/meta",
    "playbooks": f"{COLLECTION}/playbooks",
    "plugins": f"{COLLECTION}/plugins",
    "roles": f"{COLLECTION}/roles",
}


class CarriedByWheel(BuildHookInterface):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard" and self.target_name == "wheel":
            build_data["force_include"].update(CARRIED)
