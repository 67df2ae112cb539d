# SPDX-License-Identifier: GPL-3.0-or-later
"""What a connection begins with: TLS and HTTP, by friendly and by hostile clients."""

from __future__ import annotations

import contextlib

import pytest
from egress.hello import client_hello, in_records
from hypothesis import given
from hypothesis import strategies as st

from callao.egress.client_hello import LONGEST, Unreadable, protocols, server_name
from callao.egress.request_head import read_head

HELLO = client_hello("Api.Example.org")


def test_the_server_s_name_is_read_in_lower_case() -> None:
    assert server_name(HELLO) == "api.example.org"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 500])
def test_a_hello_in_many_records_is_collected(size: int) -> None:
    assert server_name(in_records(HELLO, size)) == "api.example.org"


def test_a_hello_that_is_cut_off_is_waited_for() -> None:
    assert {server_name(HELLO[:size]) for size in range(len(HELLO))} == {None}


def test_a_hello_without_a_name_is_refused() -> None:
    with pytest.raises(Unreadable, match="no server name"):
        server_name(client_hello(None))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"SSH-2.0-x\r\n",
        b"\x16\x02\x00\x00\x05\x01",
        b"\x16\x03\x01\x00\x00",
        b"\x17\x03\x03",
    ],
)
def test_other_bytes_are_no_hello(data: bytes) -> None:
    with pytest.raises(Unreadable):
        server_name(data)


def test_a_hello_that_never_ends_is_refused() -> None:
    endless = b"\x16\x03\x01\x00\x04\x01\xff\xff\xff"
    with pytest.raises(Unreadable, match="too long"):
        server_name(endless)
    with pytest.raises(Unreadable):
        server_name(in_records(b"\x16\x03\x01\x00\x00\x01\x00\x3f\xff" + bytes(LONGEST), 8))


def test_two_names_are_refused() -> None:
    name = b"\x00\x00\x03a.b"
    for extension in (
        b"\x00\x00" + (14).to_bytes(2, "big") + (12).to_bytes(2, "big") + name + name,
        2 * (b"\x00\x00" + (8).to_bytes(2, "big") + (6).to_bytes(2, "big") + name),
    ):
        body = (
            bytes(34)
            + b"\x00"
            + b"\x00\x02\x13\x01"
            + b"\x01\x00"
            + len(extension).to_bytes(2, "big")
            + extension
        )
        message = b"\x01" + len(body).to_bytes(3, "big") + body
        with pytest.raises(Unreadable, match="two"):
            server_name(b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message)


def test_a_hello_offers_the_protocols_that_the_client_speaks() -> None:
    assert protocols(in_records(client_hello("a.example", "h2", "http/1.1"), 40)) == {"h2", "http/1.1"}
    assert protocols(client_hello("a.example")) == set()
    assert protocols(b"GET / HTTP/1.1") == set()


@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_bytes_are_a_name_or_refused_or_waited_for(noise: bytes, at: int) -> None:
    for data in (noise, HELLO[:at] + noise, HELLO[:at] + noise + HELLO[at + len(noise) :]):
        for read in (server_name, read_head):
            with contextlib.suppress(Unreadable):
                read(data)


def test_a_request_is_limited_to_itself() -> None:
    head = read_head(
        b"GET /x HTTP/1.1\r\nHost: A.example:80\r\nConnection: keep-alive\r\nUpgrade: h2c\r\nX: y\r\n\r\n"
        b"GET /second"
    )
    assert head is not None
    assert head.host == "a.example"
    assert (
        head.data == b"GET /x HTTP/1.1\r\nHost: A.example:80\r\nX: y\r\nConnection: close\r\n\r\nGET /second"
    )


def test_a_head_that_is_cut_off_is_waited_for() -> None:
    assert read_head(b"GET / HTTP/1.1\r\nHost: a.example\r\n") is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n",
        b"GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.example@b.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.example\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a.example\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: x\r\ntransfer-encoding: chunked\r\n\r\n",
        b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00\x01",
        b"A" * (1 << 16) + b"AA",
    ],
)
def test_a_request_without_one_host_is_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read_head(data)
