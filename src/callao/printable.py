# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes control characters from text that comes from a guest, a template, a server or a file name.

All texts of errors and events, and all output of the command line, pass through here.
"""

from __future__ import annotations

import re

_SEQUENCE = (
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC: titles, links, the clipboard
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c)"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, the cursor
    r"|\x1b[ -/]+[0-~]"  # character sets
)
"""Control sequences of terminals; see ECMA-48, section 5."""

_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"
"""Control characters, except tab and newline; and characters that change the direction of writing, which can
make a text look like another."""

_SURROGATE = r"[\ud800-\udfff]"
"""Python's placeholders for bytes of a file name that are not text. No terminal's encoding has them."""


def printable(text: str) -> str:
    """The text without control characters and control sequences."""
    if text.isprintable():
        return text
    return re.sub(_SURROGATE, "\ufffd", re.sub(_CONTROL, "", re.sub(_SEQUENCE, "", text)))
