# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tool's command line cannot express, refused before anything is started."""

from __future__ import annotations

from callao.drivers.apple.tools import Version, words
from callao.errors import DriverError


def refused(option: str, value: object, why: str, allowed: str) -> DriverError:
    return DriverError(f"{option}: {value!s}: {why} (allowed: {allowed}).")


def too_old(tool: str, option: str, value: str, version: Version, since: Version) -> DriverError:
    why = f"{tool} {words(version)} has no such option"
    return refused(option, value, why, f"{tool} {words(since)} or newer")


def checked(text: object, option: str, tool: str, forbidden: str) -> str:
    """The text, which has no byte that ends a value in the tool's options: they have no escapes.

    :raises DriverError: naming the first character that cannot be passed.
    """
    value = str(text)
    if not value:
        raise refused(option, "''", f"{tool} needs a value", "a text that is not empty")
    for each in (*forbidden, "\0"):
        if each in value:
            why = f"{each!r} cannot be passed to {tool}, whose options have no escape for it"
            raise refused(option, value, why, f"a text without {each!r}")
    return value


def unspeakable(value: str, forbidden: str) -> str:
    """The first character of a value that cannot be passed; empty when all can."""
    return next((each for each in value if each in forbidden), "")
