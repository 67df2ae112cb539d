# SPDX-License-Identifier: GPL-3.0-or-later
"""``printf`` with Go's format strings; mistakes in them are printed as Go prints them, not raised."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from callao.gotemplate.budget import MAX_CHARACTERS
from callao.gotemplate.printing import PLAIN, Flags, format_value
from callao.gotemplate.values import Kind, Value, kind, type_name

_MAX_WIDTH = 10**6
"""Width and precision; Go's own limit."""

_MAX_NUMBER_DIGITS = 100
_DIGITS = re.compile(r"[0-9]*")
_FLAG = {"#": "sharp", "0": "zero", "+": "plus", "-": "minus", " ": "space"}


def printf(format_string: str, values: Sequence[Value]) -> str:
    """``form`` with each verb replaced by the value that it stands for.

    :raises ValueError: when the result is longer than a template may be.
    """
    run = _Formatter(format_string, values)
    run.all()
    return "".join(run.out)


@dataclass
class _Formatter:
    format_string: str
    values: Sequence[Value]

    def __post_init__(self) -> None:
        self.out: list[str] = []
        self.length = 0
        self.at = 0
        self.next_value = 0
        self.reordered = False
        self.good_index = True
        self.after_index = False

    def all(self) -> None:
        while (percent := self.format_string.find("%", self.at)) >= 0:
            self.out.append(self.format_string[self.at : percent])
            self.at = percent + 1
            if not self._verb():
                break
        else:
            self.out.append(self.format_string[self.at :])
        if not self.reordered and self.next_value < len(self.values):
            self._extra()

    def _verb(self) -> bool:
        """One verb; False when the format ends before it."""
        self.good_index, self.after_index = True, False
        flags = self._flags()
        self._index()
        flags = self._width(flags)
        flags = self._precision(flags)
        if not self.after_index:
            self._index()
        if self.at >= len(self.format_string):
            self.out.append("%!(NOVERB)")
            return False
        verb = self.format_string[self.at]
        self.at += 1
        text = self._replacement(verb, flags)
        self.length += len(text)
        if self.length > MAX_CHARACTERS:
            raise ValueError(f"it comes to more than {MAX_CHARACTERS} characters")
        self.out.append(text)
        return True

    def _replacement(self, verb: str, flags: Flags) -> str:
        if verb == "%":
            return "%"
        if not self.good_index:
            return f"%!{verb}(BADINDEX)"
        if self.next_value >= len(self.values):
            return f"%!{verb}(MISSING)"
        if verb in "vw":
            flags = replace(flags, sharp=False, plus=False, sharp_v=flags.sharp, plus_v=flags.plus)
        if max(flags.width or 0, flags.precision or 0) > MAX_CHARACTERS:
            raise ValueError(f"a width or precision of more than {MAX_CHARACTERS}")
        value = self.values[self.next_value]
        self.next_value += 1
        return format_value(value, verb, flags)

    def _flags(self) -> Flags:
        found: dict[str, bool] = {}
        while (flag := _FLAG.get(self.format_string[self.at : self.at + 1])) is not None:
            found[flag] = True
            self.at += 1
        return replace(PLAIN, **found) if found else PLAIN

    def _width(self, flags: Flags) -> Flags:
        if self._star():
            width = self._value_as_int()
            self.after_index = False
            if width is None:
                self.out.append("%!(BADWIDTH)")
            elif width < 0:
                return replace(flags, width=-width, minus=True, zero=False)
            return replace(flags, width=width)
        width = self._number()
        if self.after_index and width is not None:
            self.good_index = False
        return replace(flags, width=width) if width is not None else flags

    def _precision(self, flags: Flags) -> Flags:
        # A point that ends the format is taken for the verb.
        if self.at + 1 >= len(self.format_string) or self.format_string[self.at] != ".":
            return flags
        self.at += 1
        if self.after_index:
            self.good_index = False
        self._index()
        if self._star():
            precision = self._value_as_int()
            self.after_index = False
            if precision is None or precision < 0:
                self.out.append("%!(BADPREC)")
                return flags
            return replace(flags, precision=precision)
        return replace(flags, precision=self._number() or 0)

    def _star(self) -> bool:
        found = self.format_string.startswith("*", self.at)
        self.at += found
        return found

    def _number(self) -> int | None:
        match = _DIGITS.match(self.format_string, self.at)
        text = match.group() if match else ""
        self.at += len(text)
        if not text:
            return None
        if len(text) > _MAX_NUMBER_DIGITS or int(text[:-1] or 0) > _MAX_WIDTH:
            # Go gives up the whole format there.
            self.at = len(self.format_string)
            return None
        return int(text)

    def _index(self) -> None:
        """``[2]``: which value comes next."""
        self.after_index = False
        if not self.format_string.startswith("[", self.at):
            return
        self.reordered = True
        rest = self.format_string[self.at :]
        close = rest.find("]") if len(rest) >= 3 else -1
        if close < 0:
            self.good_index = False
            self.at += 1
            return
        self.at += close + 1
        digits = rest[1:close]
        valid = digits.isascii() and digits.isdigit() and len(digits) < 9
        if valid and 1 <= int(digits) <= len(self.values):
            self.next_value = int(digits) - 1
            self.after_index = True
        else:
            self.good_index = False
            self.after_index = valid

    def _value_as_int(self) -> int | None:
        if self.next_value >= len(self.values):
            return None
        value = self.values[self.next_value]
        self.next_value += 1
        whole = kind(value) in (Kind.INT, Kind.UINT) and abs(value) <= _MAX_WIDTH
        return int(value) if whole else None

    def _extra(self) -> None:
        told = [
            "<nil>" if value is None else f"{type_name(value)}={format_value(value, 'v', PLAIN)}"
            for value in self.values[self.next_value :]
        ]
        self.out.append(f"%!(EXTRA {', '.join(told)})")
