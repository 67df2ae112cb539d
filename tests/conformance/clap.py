# SPDX-License-Identifier: GPL-3.0-or-later
"""How clap 4.5 splits krunkit's argument list into flags and their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from verdict import Refusal

USAGE = 2
"""The exit status for a command line that clap refuses."""
NO_VALUE = "a value is missing or empty"
NO_SUCH_FLAG = "no such flag, a stray word, or a value that begins with a dash"
PRINTS = "prints and ends with status 0: no machine"


@dataclass(frozen=True)
class Flag:
    """A flag without ``accept`` is a switch; one that ``prints`` ends the program at once."""

    name: str
    short: str = ""
    accept: Callable[[str], None] | None = None
    repeats: bool = False
    prints: bool = False


@dataclass
class Flags:
    known: Sequence[Flag]
    seen: set[str] = field(default_factory=set)

    def parse(self, argv: Sequence[str]) -> None:
        words = list(argv)
        while words:
            word = words.pop(0)
            if word == "--":
                if words:
                    raise Refusal(NO_SUCH_FLAG, exit=USAGE)
            elif word.startswith("--"):
                self._long(word[2:], words)
            elif word.startswith("-") and word != "-":
                self._short(word[1:], words)
            else:
                raise Refusal(NO_SUCH_FLAG, exit=USAGE)

    def _long(self, word: str, words: list[str]) -> None:
        name, equal, value = word.partition("=")
        flag = self._found(each for each in self.known if each.name == name)
        if flag.accept is None:
            if equal:
                raise Refusal("the flag takes no value", exit=USAGE)
            self._switch(flag)
        else:
            self._value(flag, value if equal else following(words))

    def _short(self, letters: str, words: list[str]) -> None:
        while letters:
            flag = self._found(each for each in self.known if each.short == letters[0])
            letters = letters[1:]
            if flag.accept is None:
                self._switch(flag)
                continue
            self._value(flag, letters.removeprefix("=") if letters else following(words))
            return

    def _switch(self, flag: Flag) -> None:
        if flag.prints:
            raise Refusal(PRINTS, exit=0)
        self._once(flag)

    def _value(self, flag: Flag, value: str) -> None:
        self._once(flag)
        if flag.accept is not None:
            flag.accept(value)

    def _once(self, flag: Flag) -> None:
        if flag.name in self.seen and not flag.repeats:
            raise Refusal("a flag that may stand once stands twice", exit=USAGE)
        self.seen.add(flag.name)

    @staticmethod
    def _found(flags: Iterator[Flag]) -> Flag:
        for flag in flags:
            return flag
        raise Refusal(NO_SUCH_FLAG, exit=USAGE)


def following(words: list[str]) -> str:
    """The next word, unless it looks like a flag."""
    if not words or (words[0].startswith("-") and words[0] != "-"):
        raise Refusal(NO_VALUE, exit=USAGE)
    return words.pop(0)
