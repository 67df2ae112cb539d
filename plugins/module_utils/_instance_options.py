# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of the module ``instance``. Private to the collection."""

from __future__ import annotations

from ansible_collections.callao.lima.plugins.module_utils._lima_yaml import OPTIONS

INSTANCE_OPTIONS = {
    "name": {"type": "str", "required": True},
    "state": {
        "type": "str",
        "choices": ["present", "started", "stopped", "restarted", "absent"],
        "default": "started",
    },
    "template": {"type": "str"},
    **OPTIONS,
    "warm": {"type": "bool"},
    "from": {"type": "str"},
    "renamed_from": {"type": "str"},
    "protected": {"type": "bool"},
    "autostart": {"type": "bool"},
    "labels": {"type": "dict"},
    "restart": {"type": "str", "choices": ["auto", "never"], "default": "auto"},
    "force": {"type": "bool", "default": False},
    "recreate": {"type": "bool", "default": False},
    "timeout": {"type": "float", "default": 600},
    "lock": {"type": "path"},
    "offline": {"type": "bool"},
    "events_file": {"type": "path"},
}
