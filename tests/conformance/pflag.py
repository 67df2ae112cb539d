# SPDX-License-Identifier: GPL-3.0-or-later
"""How pflag 1.0.10 under cobra 1.10.2 splits an argument list into flags and their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from verdict import Refusal

NO_SUCH_FLAG = "no such flag"
NO_VALUE = "the last flag lacks its value"


@dataclass(frozen=True)
class Flag:
    """``accept`` checks and stores a value; a ``switch`` takes one only after an equal sign."""

    name: str
    accept: Callable[[str], None]
    short: str = ""
    switch: bool = False


@dataclass
class Flags:
    """``changed``: the flags that were given; ``stray``: words that are no flags."""

    known: Sequence[Flag]
    changed: set[str] = field(default_factory=set)
    stray: list[str] = field(default_factory=list)

    def parse(self, argv: Sequence[str]) -> None:
        words = iter(argv)
        for word in words:
            if not word.startswith("-") or word == "-":
                self.stray.append(word)
            elif word == "--":
                self.stray.extend(words)
            elif word.startswith("--"):
                self._long(word[2:], words)
            else:
                self._short(word[1:], words)

    def _long(self, word: str, words: Iterator[str]) -> None:
        if word[0] in "-=":
            raise Refusal("not a flag")
        name, equal, value = word.partition("=")
        flag = next((each for each in self.known if each.name == name), None)
        if flag is None:
            raise Refusal(NO_SUCH_FLAG)
        if not equal:
            value = "true" if flag.switch else following(words)
        self._set(flag, value)

    def _short(self, letters: str, words: Iterator[str]) -> None:
        while letters:
            flag = next((each for each in self.known if each.short == letters[0]), None)
            if flag is None:
                raise Refusal(NO_SUCH_FLAG)
            rest = letters[1:]
            if len(letters) > 2 and rest.startswith("="):
                value, rest = rest[1:], ""
            elif flag.switch:
                value = "true"
            elif rest:
                value, rest = rest, ""
            else:
                value = following(words)
            self._set(flag, value)
            letters = rest

    def _set(self, flag: Flag, value: str) -> None:
        flag.accept(value)
        self.changed.add(flag.name)


def following(words: Iterator[str]) -> str:
    """The next word, whatever it begins with."""
    for word in words:
        return word
    raise Refusal(NO_VALUE)
