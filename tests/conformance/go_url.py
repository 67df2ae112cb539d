# SPDX-License-Identifier: GPL-3.0-or-later
"""How Go reads a URI (net/url, ParseRequestURI, of Go 1.26)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from verdict import Refusal

HOST = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~!$&'()*+,;=:[]<>\"")
USER = re.compile(rb"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
UNREADABLE = "the host or port of the URI cannot be read"
BROKEN_ESCAPE = "a broken percent escape in the URI"


@dataclass(frozen=True)
class Uri:
    scheme: str
    host: bytes = b""
    path: bytes = b""

    @property
    def port(self) -> bytes:
        """The digits behind the last colon; empty where there are none."""
        found = re.search(rb":([0-9]*)\Z", self.host)
        return found[1] if found else b""


def parse_request_uri(text: str) -> Uri:
    raw = text.encode()
    if any(byte < 0x20 or byte == 0x7F for byte in raw):
        raise Refusal("a control character in the URI")
    if not raw:
        raise Refusal("empty URI")
    if raw == b"*":
        return Uri("", path=b"*")
    scheme, rest = _scheme(raw)
    rest = rest.partition(b"?")[0]
    if not rest.startswith(b"/"):
        if scheme:
            return Uri(scheme)
        raise Refusal("not a URI: no scheme")
    host = b""
    if scheme and rest.startswith(b"//"):
        authority, slash, path = rest[2:].partition(b"/")
        host, rest = _authority(authority, scheme), slash + path
    return Uri(scheme, host, unescape(rest))


def _scheme(raw: bytes) -> tuple[str, bytes]:
    found = re.match(rb"[A-Za-z][A-Za-z0-9+.\-]*:", raw)
    if found:
        return found[0][:-1].decode().lower(), raw[found.end() :]
    if raw.startswith(b":"):
        raise Refusal("not a URI: no scheme")
    return "", raw


def _authority(authority: bytes, scheme: str) -> bytes:
    user, at, host = authority.rpartition(b"@")
    read = _host(host, scheme)
    if at:
        if not USER.fullmatch(user):
            raise Refusal(UNREADABLE)
        unescape(user)
    return read


def _host(host: bytes, scheme: str) -> bytes:
    opened = host.rfind(b"[")
    if opened > 0:
        raise Refusal(UNREADABLE)
    if opened == 0:
        return _literal(host)
    if b":" in host:
        at = host.index(b":") if scheme in ("http", "https") else host.rindex(b":")
        _optional_port(host[at:])
    return _unescape_host(host)


def _literal(host: bytes) -> bytes:
    closed = host.rfind(b"]")
    if closed < 0:
        raise Refusal(UNREADABLE)
    _optional_port(host[closed + 1 :])
    name, percent, zone = host[1:closed].partition(b"%25")
    inner = _unescape_host(name) + (_unescape_zone(percent + zone) if percent else b"")
    try:
        address = ipaddress.ip_address(inner.decode())
    except (ValueError, UnicodeDecodeError):
        raise Refusal(UNREADABLE) from None
    if address.version == 4:
        raise Refusal(UNREADABLE)
    return b"[" + inner + b"]" + host[closed + 1 :]


def _optional_port(text: bytes) -> None:
    if not re.fullmatch(rb"(:[0-9]*)?", text):
        raise Refusal(UNREADABLE)


def _unescape_host(text: bytes) -> bytes:
    """Only bytes beyond ASCII, and the percent sign, may be written as escapes."""
    for found in re.finditer(rb"%(..)", text, re.DOTALL):
        if re.fullmatch(rb"[0-7][0-9a-fA-F]", found[1]) and found[1] != b"25":
            raise Refusal(UNREADABLE)
    return _checked_host(text)


def _unescape_zone(text: bytes) -> bytes:
    for found in re.finditer(rb"%([0-9a-fA-F]{2})", text):
        if found[1] != b"25" and int(found[1], 16) not in HOST | {0x20}:
            raise Refusal(UNREADABLE)
    return _checked_host(text)


def _checked_host(text: bytes) -> bytes:
    plain = re.sub(rb"%[0-9a-fA-F]{2}", b"", text)
    if b"%" in plain:
        raise Refusal(BROKEN_ESCAPE)
    if any(byte < 0x80 and byte not in HOST for byte in plain):
        raise Refusal(UNREADABLE)
    return unescape(text)


def unescape(text: bytes) -> bytes:
    """Percent escapes as bytes. Raises Refusal for one without two hexadecimal digits."""
    if re.search(rb"%(?![0-9a-fA-F]{2})", text):
        raise Refusal(BROKEN_ESCAPE)
    return re.sub(rb"%([0-9a-fA-F]{2})", lambda found: bytes([int(found[1], 16)]), text)
