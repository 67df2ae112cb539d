# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the server's name in a TLS ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from callao.resolver.names import canonical

HANDSHAKE_RECORD = 22
LONGEST = 1 << 14
"""Bytes of a hello, with the heads of its records."""

_CLIENT_HELLO = 1
_SERVER_NAME = 0
_ALPN = 16
_HOST_NAME = 0
_LONGEST_RECORD = 1 << 14


class Unreadable(Exception):
    """Why there is no name that could be checked."""


def server_name(data: bytes) -> str | None:
    """The name in the first bytes of a connection; None while the hello is not whole.

    A hello may come in many records, each of which may be as small as one byte.

    :raises Unreadable: when it is no hello, or has no name.
    """
    hello = _handshake(data)
    if hello is None:
        if len(data) > LONGEST:
            raise Unreadable("its ClientHello is too long")
        return None
    try:
        return _name(_Reader(hello))
    except IndexError:
        raise Unreadable("its ClientHello is not valid") from None


def protocols(data: bytes) -> frozenset[str]:
    """The protocols that a hello offers (ALPN, RFC 7301); none where it cannot be read."""
    found: set[str] = set()
    try:
        for kind, content in _extensions(_Reader(_handshake(data) or b"")):
            if kind == _ALPN:
                entries = content.vector(2)
                while entries:
                    size = entries.number(1)
                    found.add(entries.take(size).decode("latin-1"))
    except (IndexError, Unreadable):
        return frozenset()
    return frozenset(found)


def _handshake(data: bytes) -> bytes | None:
    """The body of the first handshake message, collected from its records; None while it is not whole."""
    body, at = bytearray(), 0
    while at + 5 <= len(data):
        kind, major = data[at], data[at + 1]
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        if kind != HANDSHAKE_RECORD or major != 3 or not 0 < size <= _LONGEST_RECORD:
            raise Unreadable("it does not begin with a TLS ClientHello")
        body += data[at + 5 : at + 5 + size]
        at += 5 + size
        if body[:1] != bytes([_CLIENT_HELLO]) and body:
            raise Unreadable("it does not begin with a TLS ClientHello")
        if len(body) >= 4:
            whole = 4 + int.from_bytes(body[1:4], "big")
            if whole > LONGEST:
                raise Unreadable("its ClientHello is too long")
            if len(body) >= whole:
                return bytes(body[4:whole])
    if data and data[0] != HANDSHAKE_RECORD:
        raise Unreadable("it does not begin with a TLS ClientHello")
    return None


class _Reader:
    """:raises IndexError: by each method, at the end of the bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise IndexError
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def vector(self, length: int) -> _Reader:
        """A part whose size is in the bytes before it."""
        return _Reader(self.take(self.number(length)))


def _extensions(hello: _Reader) -> Iterator[tuple[int, _Reader]]:
    hello.take(2 + 32)  # version and random
    hello.vector(1)  # session
    hello.vector(2)  # cipher suites
    hello.vector(1)  # compression
    extensions = hello.vector(2) if hello else _Reader(b"")
    while extensions:
        yield extensions.number(2), extensions.vector(2)


def _name(hello: _Reader) -> str:
    names: list[bytes] = []
    seen = False
    for kind, content in _extensions(hello):
        if kind == _SERVER_NAME:
            if seen:
                raise Unreadable("its ClientHello has two lists of server names")
            seen = True
            entries = content.vector(2)
            while entries:
                type_of_name, name = entries.number(1), entries.vector(2)
                if type_of_name == _HOST_NAME:
                    names.append(name.take(len(name._data)))
    if len(names) != 1:
        raise Unreadable("its ClientHello has no server name (SNI)" if not names else "it has two names")
    name_text = canonical(names[0].decode("ascii", "replace"))
    if name_text is None:
        raise Unreadable("the server name (SNI) in its ClientHello is no host name")
    return name_text
