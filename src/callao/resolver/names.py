# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of hosts as text, and as the labels that go over the wire."""

from __future__ import annotations

import re

from dnslib import DNSLabel

MAX_LENGTH = 253

_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def hostname(label: DNSLabel) -> str | None:
    """The name in lower case and without the last dot; None if it is not valid in a hosts file.

    Labels may contain any byte (RFC 2181 section 11): dots, zeros, bytes beyond ASCII. Such names are not
    passed to getaddrinfo, only to name servers.
    """
    return canonical(".".join(part.decode("latin-1") for part in label.label))


def canonical(name: str) -> str | None:
    """Like :func:`hostname`, from text; converts names beyond ASCII by IDNA. None for an invalid host
    name."""
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
    """Whether getaddrinfo would parse it as an address, as inet_aton(3) does (``127.1``, ``0x7f000001``).

    It is not a host name: a top-level domain is never a number (RFC 1123 section 2.1).
    """
    return _NUMBER.fullmatch(name.rpartition(".")[2]) is not None
