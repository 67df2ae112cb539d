# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of hosts as text, and as the labels that go over the wire."""

from __future__ import annotations

import re

from dnslib import DNSLabel

MAX_LENGTH = 253

_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def hostname(label: DNSLabel) -> str | None:
    """The name in lower case and without the last dot; None if a hosts file could not hold it.

    Labels may hold any byte (RFC 2181 section 11): dots, zeros, what is not ASCII. Those are no
    business of getaddrinfo, only of name servers.
    """
    return canonical(".".join(part.decode("latin-1") for part in label.label))


def canonical(name: str) -> str | None:
    """What :func:`hostname` gives, from text; names beyond ASCII by IDNA. None if it is no host's name."""
    name = name.removesuffix(".").lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    if len(name) > MAX_LENGTH or not all(_LABEL.fullmatch(part) for part in name.split(".")):
        return None
    return name


def to_label(name: str) -> DNSLabel:
    return DNSLabel([part.encode("ascii") for part in name.split(".")])


def is_number(name: str) -> bool:
    """Whether getaddrinfo would read an address out of it, as inet_aton(3) does (``127.1``, ``0x7f000001``).

    No host has such a name: a top-level domain is never a number (RFC 1123 section 2.1).
    """
    return _NUMBER.fullmatch(name.rpartition(".")[2]) is not None
