# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shells of Windows make of a line: the environment, and the arguments of a program. Pure."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_QUOTES = "'\u2018\u2019\u201a\u201b"
_LITERAL = rf"[{_QUOTES}](?:[^{_QUOTES}]|[{_QUOTES}]{{2}})*[{_QUOTES}]"
_SETTING = rf"\$env:(\w+)=({_LITERAL}); "
_POWERSHELL = re.compile(
    rf"(?P<settings>(?:{_SETTING})+)(?P<preset>\$global:LASTEXITCODE=127; )?(?P<input>\$input \| )?"
    rf"& (?P<words>{_LITERAL}(?: {_LITERAL})*); exit \$LASTEXITCODE"
)
_CMD_SETTING = r"set (\w+)=([^&|<>^()%\"]+)&& "
_CMD = re.compile(rf"(?P<settings>(?:{_CMD_SETTING})+)(?P<rest>.*)")
_LONGEST_CMD = 8191
_LONGEST = 32767


class NotUnderstood(Exception):
    """The line is not one that this stand-in knows, or the shell would have refused it."""


@dataclass(frozen=True)
class Command:
    environment: dict[str, str]
    argv: list[str]
    preset: int = 0
    """The status where there is no such program, from which PowerShell goes on."""

    stdin: str = "bytes"
    """``bytes`` as they are, ``lines`` of text that the shell has read, or ``none``: the shell reads it."""


def cmd(line: str, environment: Mapping[str, str]) -> Command:
    """As ``cmd.exe /c "LINE"`` reads it."""
    if len(line) > _LONGEST_CMD:
        raise NotUnderstood("The command line is too long.")
    if "\n" in line or "\r" in line:
        raise NotUnderstood("a line break ends the command")
    found = _CMD.fullmatch(line)
    if found is None:
        raise NotUnderstood(f"{line!r} is not one command after sets")
    rest = re.sub(
        r"%(\w+)%", lambda name: {**environment}.get(name[1], name[0]), found["rest"]
    )  # also inside of quotes
    quoted = False
    for each in rest:
        quoted ^= each == '"'
        if not quoted and each in "&|<>^()":
            raise NotUnderstood(f"{each!r} outside of quotes in {rest!r}")
    return Command(dict(re.findall(_CMD_SETTING, found["settings"])), command_line_to_argv(rest))


def powershell(line: str, passed_on: Callable[[Sequence[str]], str] | None = None) -> Command:
    """As Windows PowerShell 5.1 does, which gives programs an argument with a blank in double quotes, all
    others as they are, and leaves out empty ones.

    :param passed_on: what another release makes of the arguments.
    """
    found = _POWERSHELL.fullmatch(line)
    if found is None:
        raise NotUnderstood(f"{line!r} is not the one line that is known")
    words = [_literal(each) for each in re.findall(_LITERAL, found["words"])]
    passed = (passed_on or _by_5_1)(words)
    if len(passed) > _LONGEST:
        raise NotUnderstood("The filename or extension is too long.")
    stdin = "lines" if found["input"] else "none"
    settings = {name: _literal(value) for name, value in re.findall(_SETTING, found["settings"])}
    preset = 127 if found["preset"] else 0
    return Command(settings, command_line_to_argv(passed), preset, stdin)


def _literal(text: str) -> str:
    return re.sub(rf"([{_QUOTES}])[{_QUOTES}]", r"\1", text[1:-1])


def powershell_7(line: str) -> Command:
    """As PowerShell 7.3 and newer do, which quote as C# does."""
    return powershell(line, lambda words: subprocess.list2cmdline(words))


def _by_5_1(words: Sequence[str]) -> str:
    return " ".join(_legacy(word) for word in words if word)


def _legacy(word: str) -> str:
    return f'"{word}"' if re.search(r"\s", word) and '"' not in word else word


def command_line_to_argv(line: str) -> list[str]:
    """``CommandLineToArgvW``, for the words after the first one too."""
    words, word, quoted, any_ = [], "", False, False
    at = 0
    while at < len(line):
        each = line[at]
        if each == "\\":
            slashes = len(line) - at - len(line[at:].lstrip("\\"))
            at += slashes
            any_ = True
            if line[at : at + 1] == '"':
                word += "\\" * (slashes // 2)
                if slashes % 2:
                    word += '"'
                    at += 1
            else:
                word += "\\" * slashes
            continue
        if each == '"':
            if quoted and line[at + 1 : at + 2] == '"':
                word += '"'
                at += 1
            else:
                quoted = not quoted
            any_ = True
        elif each in " \t" and not quoted:
            if any_:
                words.append(word)
            word, any_ = "", False
        else:
            word += each
            any_ = True
        at += 1
    return [*words, word] if any_ else words
