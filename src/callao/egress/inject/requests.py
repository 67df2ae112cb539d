# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what is sent to a server for a guest's HTTP/1 request, and to the guest of its answer. Pure.

h11 has parsed the request and writes the new one, so that the server reads the same request that was
checked here: one length, no folded lines, no bytes besides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import h11

from callao.egress.inject.substitution import Headers, Substitution

_HOST = re.compile(rb"([^:@\[\]/]+?)\.?(?::([0-9]{1,5}))?")
_OF_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"proxy-authenticate", b"te",
     b"http2-settings", b"upgrade"}
)  # fmt: skip
NOT_OFFERED = frozenset({b"alt-svc"})
"""Would have the guest come by another protocol next time."""


OWN_TYPE = b"text/plain; charset=utf-8"
"""The media type of the host's own answers."""


def own_answer(text: str) -> bytes:
    """The body of an answer of the host's own."""
    return f"callao egress: {text}\n".encode()


def as_bytes(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers of a library's message, whose names and values may be of types of its own."""
    return [(bytes(name), bytes(value)) for name, value in headers]


class Refused(Exception):
    """A request that is not passed on; the text says why.

    :param status: of the answer that the guest gets.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True)
class RequestLine:
    """``target`` is the path, as it is sent."""

    method: bytes
    target: bytes


def check_request(
    line: RequestLine, named: Iterable[bytes], host: tuple[str, int], substitution: Substitution
) -> None:
    """What holds for each version of HTTP.

    :param named: all hosts that the request names.
    :raises Refused: for a request that is not for ``host``.
    :raises Misplaced: for a placeholder in the line.
    """
    if line.method in (b"CONNECT", b"TRACE"):  # the answer to TRACE is the request
        raise Refused(405, f"the method {line.method.decode()} is not passed on")
    if not line.target.startswith(b"/") and not (line.method == b"OPTIONS" and line.target == b"*"):
        raise Refused(400, "the request's target is not a path")
    if not all(_is_host(each, host) for each in named):
        raise Refused(421, "the Host of the request is not the server's name in its TLS")
    substitution.refuse(line.target, "in a URL")
    substitution.refuse(line.method, "in a method")


def request_to_server(
    request: h11.Request, host: tuple[str, int], substitution: Substitution
) -> h11.Request:
    """The request with values in place of placeholders.

    :raises Refused: for one that is not for ``host``, or could be read in two ways.
    :raises Misplaced: for a placeholder that is not replaced.
    """
    headers = as_bytes(request.headers)
    names = [name for name, _ in headers]
    line = RequestLine(request.method, request.target)
    if b"transfer-encoding" in names and (b"content-length" in names or request.http_version < b"1.1"):
        raise Refused(400, "the request has two lengths")
    if request.http_version < b"1.1" and b"host" not in names:
        raise Refused(400, "the request names no host")
    check_request(line, (value for name, value in headers if name == b"host"), host, substitution)
    kept = _of_this_hop(headers)
    found = [
        (name, value) for name, value in kept if name in (b"host", b"content-length", b"transfer-encoding")
    ]
    rest = [pair for pair in kept if pair not in found]
    found += substitution.headers(rest)
    if _wants_websocket(headers):
        found += [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
    return h11.Request(method=request.method, target=request.target, headers=found)


def response_to_guest(response: h11.Response) -> h11.Response:
    """The answer without what concerns the connection to the server."""
    headers = _of_this_hop(as_bytes(response.headers))
    if any(name == b"transfer-encoding" for name, _ in headers):
        headers = [pair for pair in headers if pair[0] != b"content-length"]
    kept = [pair for pair in headers if pair[0] not in NOT_OFFERED]
    if response.http_version < b"1.1" or any(
        name == b"connection" and b"close" in value.lower() for name, value in response.headers
    ):
        kept.append((b"connection", b"close"))
    return h11.Response(status_code=response.status_code, reason=response.reason, headers=kept)


def switch_to_guest(response: h11.InformationalResponse) -> h11.InformationalResponse:
    """An informational answer, with what a switch to another protocol needs."""
    headers = as_bytes(response.headers)
    return h11.InformationalResponse(
        status_code=response.status_code, reason=response.reason, headers=headers
    )


def _of_this_hop(headers: Headers) -> Headers:
    """RFC 9110 section 7.6.1."""
    named = {
        each.strip().lower()
        for name, value in headers
        if name == b"connection"
        for each in value.split(b",")
    }
    protected = {b"host", b"content-length", b"transfer-encoding"}
    dropped = _OF_CONNECTION | (named - protected)
    return [(name, value) for name, value in headers if name not in dropped]


def _wants_websocket(headers: Headers) -> bool:
    upgrades = [value.strip().lower() for name, value in headers if name == b"upgrade"]
    return upgrades == [b"websocket"]


def _is_host(value: bytes, host: tuple[str, int]) -> bool:
    match = _HOST.fullmatch(value.strip())
    if match is None:
        return False
    return (match[1].decode("ascii", "replace").lower(), int(match[2] or 443)) == host
