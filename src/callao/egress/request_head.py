# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the host of an HTTP/1 request, and limits its connection to this one request. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from callao.egress.client_hello import Unreadable
from callao.resolver.names import canonical

LONGEST = 1 << 16
"""Bytes of the request line and all headers."""

_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/1\.[01]")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\x00]*)")
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
_HOST = re.compile(rb"([^:@\[\]/]+)(?::[0-9]*)?")
_OF_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"upgrade", b"http2-settings"}
)


@dataclass(frozen=True)
class RequestHead:
    """``data`` is what is sent to the server in place of what came: the server ends the connection after its
    answer, so that no further request, for another host, gets one (RFC 9112 section 9.6)."""

    host: str
    data: bytes


def read_head(data: bytes) -> RequestHead | None:
    """The head in the first bytes of a connection; None while it is not whole.

    :raises Unreadable: when it is no request with one host.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0 or end > LONGEST:
        if len(data) > LONGEST:
            raise Unreadable("the head of its HTTP request is too long")
        if data and not re.match(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]", data):
            raise Unreadable("it does not begin with an HTTP/1 request")
        return None
    first, *lines = data[:end].split(b"\r\n")
    request = _REQUEST_LINE.fullmatch(first)
    headers = [_HEADER.fullmatch(line) for line in lines]
    if request is None or request[1] == b"CONNECT" or None in headers:
        raise Unreadable("it does not begin with an HTTP/1 request")
    pairs = [
        (match[1].lower(), match[2].strip(), line)
        for match, line in zip(headers, lines, strict=True)
        if match
    ]
    hosts = [value for name, value, _ in pairs if name == b"host"]
    if absolute := _ABSOLUTE.match(request[2]):
        hosts.append(absolute[1])
    found = {_name(each) for each in hosts}
    if len(found) != 1 or sum(name == b"host" for name, *_ in pairs) > 1:
        raise Unreadable("its HTTP request does not name one host")
    names = [name for name, *_ in pairs]
    if sum(name in (b"content-length", b"transfer-encoding") for name in names) > 1:
        raise Unreadable("its HTTP request has two lengths")  # where it ends is read in two ways
    kept = [line for name, _, line in pairs if name not in _OF_CONNECTION]
    head = b"\r\n".join([first, *kept, b"Connection: close", b"", b""])
    return RequestHead(found.pop(), head + data[end + 4 :])


def _name(host: bytes) -> str:
    match = _HOST.fullmatch(host)
    name = canonical(match[1].decode("ascii", "replace")) if match else None
    if name is None:
        raise Unreadable("the Host of its HTTP request is no host name")
    return name
