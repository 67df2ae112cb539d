# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes one line for a shell of Windows of an argv: the only texts that a shell of Windows is ever given.

An argv with a command for the guest (what follows ``--exec``) may have any characters: they travel in
base64. Windows PowerShell up to 7.2 passes on neither double quotes nor empty words as they are, and cmd
replaces what is between percent signs also inside of quotes. Pure.
"""

from __future__ import annotations

import base64
import enum
import re
import shlex
from collections.abc import Mapping, Sequence

from callao.errors import DriverError

_EXEC = "--exec"
_LOADER = "IFS=;set -f;eval $(echo $1|base64 -d)"
"""Runs a script that came in base64 as ``$1``; without field splitting, so that it needs no quotes."""

_RESTORED = "unset IFS;set +f;"
_LIVE_LINES = 'cr=$(printf "\\r");while IFS= read -r l||[ "$l" ];do printf %s "${l%"$cr"}"|base64 -d;done|'
"""Decodes each line of base64 by itself, as soon as it is there. Slow: sh(1) reads byte by byte."""

_LINES = 'tr -d "\\r"|base64 -d|'
"""Decodes lines that are one text of base64, in blocks."""

_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")
"""What PowerShell takes for a single quote."""

_CMD_FORBIDDEN = re.compile(r'["%!\0-\x1f\x7f]')
_POWERSHELL_FORBIDDEN = re.compile(r'["\0-\x1f\x7f]')
_NOT_FOUND = "$global:LASTEXITCODE=127; "
"""Where there is no such program PowerShell goes on, and would end with 0, or with the status before."""

_CMD_LONGEST = 8000
_LONGEST = 30000
"""Characters: CreateProcess takes 32,767, and cmd 8,191."""


class LineTooLong(DriverError):
    """The command has to be made shorter, or be given by standard input."""


class Stdin(enum.Enum):
    """What a program's standard input is."""

    NONE = enum.auto()
    WHOLE = enum.auto()
    """It ends by itself, and may be passed on in blocks."""
    LIVE = enum.auto()
    """A conversation: what is there has to be passed on at once."""


class Shell(enum.Enum):
    """What reads a command line on Windows."""

    CMD = "cmd"
    POWERSHELL = "powershell"


def line(
    shell: Shell,
    argv: Sequence[str],
    *,
    stdin: Stdin = Stdin.NONE,
    longest: int | None = None,
    passes: Sequence[str] = (),
) -> str:
    """The line that runs ``argv`` with ``WSL_UTF8=1``, and ends with its status.

    :param stdin: PowerShell reads it itself as text: it has to be encoded as :data:`STDIN_IS_LINES` says.
    :param longest: the largest number of characters, where that is not the shell's own.
    :param passes: words of WSLENV.
    :raises LineTooLong: when the line is longer than that.
    :raises DriverError: when the shell cannot be given a word.
    """
    words = _portable(argv, stdin if shell is Shell.POWERSHELL else Stdin.NONE)
    variables = {"WSL_UTF8": "1", **({"WSLENV": ":".join(passes)} if passes else {})}
    made = (
        _cmd(variables, words)
        if shell is Shell.CMD
        else _powershell(variables, words, stdin is not Stdin.NONE)
    )
    limit = longest or (_CMD_LONGEST if shell is Shell.CMD else _LONGEST)
    if len(made) > limit:
        raise LineTooLong(
            f"a command for Windows has {len(made)} characters, and {shell.value} takes {limit} there."
        )
    return made


STDIN_IS_LINES = frozenset({Shell.POWERSHELL})
"""Shells that pass a standard input on by lines of text, which are to be base64: each by itself where it is
live, and all of them as one text otherwise."""


def _portable(argv: Sequence[str], stdin: Stdin) -> list[str]:
    """``argv`` with the guest's command in a form that has neither quotes nor percent signs."""
    if _EXEC not in argv:
        return list(argv)
    at = list(argv).index(_EXEC) + 1
    command = shlex.join(argv[at:])
    decoder = {Stdin.NONE: "exec ", Stdin.WHOLE: _LINES, Stdin.LIVE: _LIVE_LINES}[stdin]
    script = f"{_RESTORED}{decoder}{command}"
    encoded = base64.b64encode(script.encode("utf-8", "surrogateescape")).decode()
    return [*argv[:at], "/bin/sh", "-c", _LOADER, "sh", encoded]


def _powershell(variables: Mapping[str, str], words: Sequence[str], reads_stdin: bool) -> str:
    settings = "".join(f"$env:{name}={quote_powershell(value)}; " for name, value in variables.items())
    quoted = " ".join(quote_powershell(word) for word in words)
    given = "$input | " if reads_stdin else ""
    return f"{settings}{_NOT_FOUND}{given}& {quoted}; exit $LASTEXITCODE"


def quote_powershell(word: str) -> str:
    """A word as a literal of PowerShell that arrives in a program as it is.

    :raises DriverError: when there is none.
    """
    if not word or _POWERSHELL_FORBIDDEN.search(word) or word.endswith("\\"):
        raise _unquotable(
            word, "PowerShell", "no double quotes, control characters, or backslash at the end"
        )
    doubled = _QUOTES.sub(lambda found: found[0] * 2, word)
    return f"'{doubled}'"


def _cmd(variables: Mapping[str, str], words: Sequence[str]) -> str:
    settings = "".join(f"set {name}={value}&& " for name, value in variables.items())
    return settings + " ".join(quote_cmd(word) for word in words)


def quote_cmd(word: str) -> str:
    """A word as cmd and ``CommandLineToArgvW`` read it.

    :raises DriverError: when there is none.
    """
    if not word or _CMD_FORBIDDEN.search(word) or word.endswith("\\"):
        allowed = (
            "no double quotes, percent signs, exclamation marks, control characters, or backslash at the end"
        )
        raise _unquotable(word, "cmd", allowed)
    return word if re.fullmatch(r"[A-Za-z0-9_./:\\=-]+", word) else f'"{word}"'


def _unquotable(word: str, shell: str, allowed: str) -> DriverError:
    return DriverError(f"{word!r} cannot be a word of a command for {shell} (allowed: {allowed}).")
