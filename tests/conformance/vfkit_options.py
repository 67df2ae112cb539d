# SPDX-License-Identifier: GPL-3.0-or-later
"""The pieces of vfkit's option values: ``key=value,word,…``, and lists with double quotes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verdict import Refusal

WORD_TAKES_NO_VALUE = "the word takes no value"


@dataclass(frozen=True)
class Option:
    key: str
    value: str

    def word(self) -> bool:
        """True, for an option that is a word alone. Raises Refusal where a value stands with it."""
        if self.value:
            raise Refusal(WORD_TAKES_NO_VALUE)
        return True


def options(pieces: Sequence[str]) -> list[Option]:
    """Empty pieces are passed over; only the first equal sign divides."""
    return [Option(key, value) for key, _, value in (piece.partition("=") for piece in pieces if piece)]


def unknown(kind: str) -> Refusal:
    return Refusal(f"an option that {kind} does not know")


def quoted_list(text: str) -> list[str]:
    """Commas divide outside double quotes; quotes round a whole piece go away."""
    pieces, piece, quoted = [], "", False
    for letter in text:
        if letter == '"':
            quoted = not quoted
        if letter == "," and not quoted:
            pieces.append(without_quotes(piece))
            piece = ""
        else:
            piece += letter
    if quoted:
        raise Refusal("a double quote without its partner")
    last = without_quotes(piece)
    return [*pieces, last] if pieces or last else pieces


def without_quotes(text: str) -> str:
    return text.strip('"') if text.startswith('"') and text.endswith('"') else text
