# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes control characters from text of a guest, a template, a server or a file name.

Errors and events hold no other text, and the command line prints no other.
"""

from __future__ import annotations

import re

_SEQUENCE = (
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC: titles, links, the clipboard
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c)"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, the cursor
    r"|\x1b[ -/]+[0-~]"  # character sets
)
"""What a terminal takes as one instruction; see ECMA-48, section 5."""

_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]"
"""All that has no shape of its own, but for the tab and the newline; and what turns the direction of
writing, by which a text can look like another."""

_SURROGATE = r"[\ud800-\udfff]"
"""What Python makes of a file name's bytes that are no text. No terminal's encoding has them."""


def printable(text: str) -> str:
    """Without control characters; of a control sequence, nothing is left."""
    if text.isprintable():
        return text
    return re.sub(_SURROGATE, "\ufffd", re.sub(_CONTROL, "", re.sub(_SEQUENCE, "", text)))
