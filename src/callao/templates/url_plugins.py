# SPDX-License-Identifier: GPL-3.0-or-later
"""URL plugins: a program ``limactl-url-SCHEME`` translates a locator of its scheme to another.

The program gets the text after ``SCHEME:`` as its argument, and prints the locator; see Lima's
documentation, "URL plugins".
"""

from __future__ import annotations

import re
import subprocess

from callao.errors import TemplateError

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):(.*)", re.DOTALL | re.IGNORECASE)
_OWN = frozenset({"template", "file", "github", "https", "http"})
_MAX_STEPS = 10
_TIMEOUT = 60.0
_MAX_LOCATOR = 4096


def translate_locator(locator: str) -> str:
    """The locator that plugins translate ``locator`` to; unchanged where no plugin has its scheme.

    :raises TemplateError: when the program fails, or plugins translate locators to each other without end.
    """
    first = locator
    for _ in range(_MAX_STEPS):
        match = _SCHEME.fullmatch(locator)
        if match is None or match[1].lower() in _OWN:
            return locator
        from callao.cli_plugins import find_program

        program = find_program(f"url-{match[1].lower()}")
        if program is None:
            return locator
        locator = _answer([str(program), match[2]], locator)
    raise TemplateError(f"template: {first!r}: its plugin leads from one locator to the next without end.")


def _answer(argv: list[str], locator: str) -> str:
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise TemplateError(f"template: {locator!r}: {argv[0]} did not answer: {error}.") from error
    said = (done.stdout if done.returncode == 0 else done.stderr).decode("utf-8", "replace").strip()
    if done.returncode != 0:
        raise TemplateError(f"template: {locator!r}: {argv[0]} failed: {said or done.returncode}.")
    if not said or len(said) > _MAX_LOCATOR or not said.isprintable():
        raise TemplateError(f"template: {locator!r}: {argv[0]} printed no locator (allowed: one line).")
    return said
