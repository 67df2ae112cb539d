# SPDX-License-Identifier: GPL-3.0-or-later
"""Rewrites the engine's hints for modules: commands become options of a module.

Private to the collection.
"""

from __future__ import annotations

import re

_STATES = {
    "start": "state: started",
    "stop": "state: stopped",
    "restart": "state: restarted",
    "delete": "state: absent",
    "unprotect": "protected: false",
}
_COMMAND = re.compile(rf"'?callao ({'|'.join(_STATES)}) ([A-Za-z0-9._-]*[A-Za-z0-9])'?")


def commands_to_options(text: str) -> str:
    """``text`` with each command replaced by the options of the module that does the same. Commands without
    such a module stay, such as ``callao lock``."""
    text = _COMMAND.sub(lambda found: f"callao.lima.instance (name: {found[2]}, {_STATES[found[1]]})", text)
    return text.replace("Run 'callao fetch' with the network", "Run callao.lima.image with the network")
