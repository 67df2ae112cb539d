# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what is sent to a server for a guest's HTTP/2 request, and to the guest of its answer. Pure.

h2 has decoded the headers, and refused what HTTP/2 does not allow in them: other pseudo-headers, headers of
a connection, control characters, upper case.
"""

from __future__ import annotations

from hpack import NeverIndexedHeaderTuple

from callao.egress.inject.requests import NOT_OFFERED, Refused, RequestLine, check_request
from callao.egress.inject.substitution import Headers, Substitution

_DROPPED = frozenset({b"proxy-authorization", b"proxy-authenticate", b"http2-settings"})


def http2_request_to_server(
    headers: Headers, host: tuple[str, int], substitution: Substitution, *, ends: bool
) -> list[tuple[bytes, bytes]]:
    """The request with values in place of placeholders. Those are never kept to compress later headers.

    :param ends: whether it has no body.
    :raises Refused: for one that is not for ``host``.
    :raises Misplaced: for a placeholder that is not replaced.
    """
    pseudo = {name: value for name, value in headers if name.startswith(b":")}
    fields = [(name, value) for name, value in headers if not name.startswith(b":")]
    if b":protocol" in pseudo:
        raise Refused(405, "the method CONNECT is not passed on")
    line = RequestLine(pseudo.get(b":method", b""), pseudo.get(b":path", b""))
    hosts = [value for name, value in fields if name == b"host"]
    if b":authority" in pseudo:
        hosts.append(pseudo[b":authority"])
    if not hosts:
        raise Refused(400, "the request names no host")
    check_request(line, hosts, host, substitution)
    if pseudo.get(b":scheme") != b"https":
        raise Refused(400, "the request's scheme is not https")
    lengths = [value for name, value in fields if name == b"content-length"]
    if len(lengths) > 1:
        raise Refused(400, "the request has two lengths")
    if ends and lengths and int(lengths[0]):
        raise Refused(400, f"the request announces a body of {int(lengths[0])} bytes, and has none")
    kept = [pair for pair in fields if pair[0] not in _DROPPED]
    protected = [pair for pair in kept if pair[0] in (b"host", b"content-length")]
    rest = [pair for pair in kept if pair not in protected]
    found = [
        new if new == old else NeverIndexedHeaderTuple(*new)
        for old, new in zip(rest, substitution.headers(rest), strict=True)
    ]
    return [*pseudo.items(), *protected, *found]


def http2_response_to_guest(headers: Headers) -> Headers:
    """The answer without what concerns the connection to the server."""
    return [pair for pair in headers if pair[0] not in NOT_OFFERED]
