# SPDX-License-Identifier: GPL-3.0-or-later
"""Replaces placeholders by values, and finds them where they do not belong. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from callao.secrets import SecretValue

_PREFIX = b"callao-secret-"
"""Of all placeholders: a search for it alone is quick."""

_BASIC = re.compile(rb"(basic)( +)([A-Za-z0-9+/=]+)", re.IGNORECASE)

Headers = list[tuple[bytes, bytes]]


class Misplaced(Exception):
    """A placeholder where it is not replaced.

    :param secret: its name.
    :param reason: why not.
    """

    def __init__(self, secret: str, reason: str) -> None:
        super().__init__(reason)
        self.secret, self.reason = secret, reason


@dataclass(frozen=True)
class Injection:
    """One secret. ``hosts`` are the names and ports of the servers that get it; ``value`` is None while the
    host has none."""

    name: str
    placeholder: bytes
    hosts: frozenset[tuple[str, int]]
    value: SecretValue | None = None
    ca_file: str = ""


def placeholder_of(key: bytes, name: str) -> bytes:
    """The placeholder of a secret: it can neither be guessed, nor does it tell of the key."""
    return _PREFIX + hmac.digest(key, name.encode(), hashlib.sha256).hex()[:40].encode()


@dataclass(frozen=True)
class Substitution:
    """What is done with placeholders in requests to one server.

    All are looked for in one pass, so that a value that has another one's placeholder in it stays as it is.
    """

    injections: Sequence[Injection]
    host: tuple[str, int] | None
    """None for a connection that is passed on as it is: nothing is replaced."""
    _pattern: re.Pattern[bytes] = field(init=False)

    def __post_init__(self) -> None:
        words = [re.escape(each.placeholder) for each in self.injections]
        object.__setattr__(self, "_pattern", re.compile(b"|".join(words) or rb"(?!)"))

    @property
    def longest(self) -> int:
        return max((len(each.placeholder) for each in self.injections), default=0)

    def headers(self, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        """The headers with values in place of placeholders, also within Basic credentials.

        :raises Misplaced: for the placeholder of a secret that this server does not get.
        """
        found: Headers = []
        for name, value in headers:
            self.refuse(name, "in the name of a header")
            found.append((name, self._basic(value) or self._pattern.sub(self._value, value)))
        return found

    def refuse(self, data: bytes, where: str) -> None:
        """:raises Misplaced: where the data has a placeholder."""
        if _PREFIX in data and (match := self._pattern.search(data)):
            raise Misplaced(self._of(match).name, f"its placeholder was sent {where}")

    def refuse_in_trailers(self, trailers: Iterable[tuple[bytes, bytes]]) -> None:
        """:raises Misplaced: where one of them has a placeholder."""
        for name, value in trailers:
            self.refuse(name + b":" + value, "in a trailer")

    def _of(self, match: re.Match[bytes]) -> Injection:
        return next(each for each in self.injections if each.placeholder == match[0])

    def _value(self, match: re.Match[bytes]) -> bytes:
        injection = self._of(match)
        if self.host not in injection.hosts:
            raise Misplaced(injection.name, "its placeholder was sent to a server that does not get it")
        if injection.value is None:
            raise Misplaced(injection.name, "the host has no value for it")
        return injection.value.data

    def _basic(self, header: bytes) -> bytes | None:
        """The header's value where it is Basic credentials with a placeholder (RFC 7617)."""
        match = _BASIC.fullmatch(header)
        if match is None:
            return None
        try:
            credentials = base64.b64decode(match[3], validate=True)
        except binascii.Error:
            return None
        replaced = self._pattern.sub(self._value, credentials)
        return match[1] + match[2] + base64.b64encode(replaced) if replaced != credentials else None


class StreamScan:
    """Looks for placeholders in a stream, also where they are split between two parts of it."""

    def __init__(self, substitution: Substitution, where: str) -> None:
        self._substitution, self._where, self._tail = substitution, where, b""

    def feed(self, data: bytes) -> None:
        """:raises Misplaced: when a placeholder is complete."""
        kept = self._substitution.longest - 1
        if kept <= 0:
            return
        # The bytes on both sides of the border, so that a large part is not copied.
        self._substitution.refuse(self._tail + data[:kept], self._where)
        self._substitution.refuse(data, self._where)
        self._tail = data[-kept:] if len(data) >= kept else (self._tail + data)[-kept:]
