# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's hints in the modules' words: where it names a command, a module does the same.

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
    """``text`` with each command that a module stands for as that module's options. ``callao lock`` and what
    carries images offline have none, and stay."""
    text = _COMMAND.sub(lambda found: f"callao.lima.instance (name: {found[2]}, {_STATES[found[1]]})", text)
    return text.replace("Run 'callao fetch' with the network", "Run callao.lima.image with the network")
