# SPDX-License-Identifier: GPL-3.0-or-later
r"""The text of ``%UserProfile%\.wslconfig``, the settings of WSL's virtual machine for one user. Pure.

All else of the file stays as it is: other keys, comments, the order, line ends, and the encoding.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping

from callao.errors import DriverError

Key = tuple[str, str]
"""A section and a key in it; WSL reads both without regard to case."""

VM_IDLE: Key = ("wsl2", "vmIdleTimeout")
INSTANCE_IDLE: Key = ("general", "instanceIdleTimeout")

_SECTION = re.compile(r"\s*\[\s*(?P<name>[^\]]*?)\s*\]")
_ENTRY = re.compile(r"(?P<head>\s*(?P<key>[^=#\s]+)\s*=\s*)(?P<value>[^#\r\n]*?)(?P<tail>\s*(?:#.*)?)")
_CODECS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""By the bytes at the beginning of the file; without any, UTF-8."""


def with_values(data: bytes, values: Mapping[Key, int]) -> bytes:
    """The content of the file with these values.

    :raises DriverError: when it is no text.
    """
    mark, codec = next((each for each in _CODECS if data.startswith(each[0])), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(codec)
    except UnicodeDecodeError as error:
        raise DriverError(
            f".wslconfig cannot be read: {error}.", hint="Have it be in UTF-8, or in UTF-16 with its mark."
        ) from error
    for key, value in values.items():
        text = _with_value(text, key, str(value))
    return mark + text.encode(codec)


def _with_value(text: str, key: Key, value: str) -> str:
    section, name = key
    lines = text.splitlines(keepends=True)
    end = "\r\n" if "\r\n" in text or not text else "\n"
    current, found = "", False
    place: int | None = None
    for index, line in enumerate(lines):
        if (header := _SECTION.match(line)) is not None:
            current = header["name"]
        if current.lower() != section.lower():
            continue
        if line.strip():
            place = index + 1  # the end of the section, without blank lines
        entry = _ENTRY.fullmatch(line.rstrip("\r\n"))
        if entry is not None and entry["key"].lower() == name.lower():
            ending = line[len(line.rstrip("\r\n")) :]
            lines[index] = f"{entry['head']}{value}{entry['tail']}{ending}"
            found = True  # and on: it is not known which of two counts
    if found:
        return "".join(lines)
    if lines and not lines[-1].endswith(("\r", "\n")):
        lines[-1] += end
    new = f"{name}={value}{end}"
    if place is None:
        lines += [end] if lines else []
        lines += [f"[{section}]{end}", new]
    else:
        lines.insert(place, new)
    return "".join(lines)
