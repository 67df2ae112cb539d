# SPDX-License-Identifier: GPL-3.0-or-later
"""Rewrites the engine's hints for the command line: names of module options become flags."""

from __future__ import annotations

_WORDS = {
    "aise 'timeout'": "aise --timeout",
    "Repair its lima.yaml, replace it with 'recreate: true', or delete it with 'state: absent'.": (
        "Repair its lima.yaml ('callao edit'), or delete it with 'callao delete'."
    ),
    "mount it without 'persist'": "mount it without --persist",
    "Stop it first, or ask for state: started with restart: auto.": "Stop it first.",
    "Stop the instance with 'force: true' and start it again.": (
        "Stop the instance with 'callao stop --force' and start it again."
    ),
    "replace the instance with 'recreate: true'": (
        "remove the instance with 'callao delete' and make it again with 'callao create'"
    ),
    "Replace the instance with 'recreate: true'": (
        "Remove the instance with 'callao delete' and make it again with 'callao create'"
    ),
    "have it mounted at its next start with 'persist: true'": (
        "have it mounted at its next start with --persist"
    ),
    "have the rule at its next start with 'persist: true'": (
        "have the rule at its next start with 'callao edit --port-forward'"
    ),
}


_POLICY = r" \((?:restart: \w+, state: \w+|state: \w+, restart: \w+)\)"
"""What was asked of a module, where a command stands for itself."""


def with_flags(text: str) -> str:
    """``text`` with what the modules call so in the command line's words."""
    if "restart: " in text:
        import re

        text = re.sub(_POLICY, "", text)
    if "'" not in text and "restart: auto" not in text:
        return text
    for theirs, ours in _WORDS.items():
        text = text.replace(theirs, ours)
    return text
