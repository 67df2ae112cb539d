# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import struct
import sys

import pytest

from callao.guest import netlink
from callao.guest.listeners import diag, sockets
from callao.guest.listeners.sockets import (
    Listener,
    SocketScanner,
    format_address,
    parse_proc_table,
    scan_netlink,
    scan_proc,
)

HEADING = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
)
REST = "00000000:00000000 00:00000000 00000000     0        0 20337 1 0000000000000000 100 0 0 10 0"

little_endian = pytest.mark.skipif(
    sys.byteorder == "big", reason="the samples are of a little-endian machine"
)


def table(*rows: str) -> str:
    return HEADING + "".join(f"   {number}: {row} {REST}\n" for number, row in enumerate(rows))


@little_endian
@pytest.mark.parametrize(
    ("proto", "row", "expected"),
    [
        ("tcp", "0100007F:1F90 00000000:0000 0A", [("127.0.0.1", 8080)]),
        ("tcp", "00000000:0016 00000000:0000 0A", [("0.0.0.0", 22)]),
        ("tcp", "0100007F:1F90 0100007F:C350 01", []),
        (
            "tcp",
            "00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A",
            [("::", 80)],
        ),
        (
            "tcp",
            "00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A",
            [("::1", 80)],
        ),
        (
            "tcp",
            "0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A",
            [("127.0.0.1", 80)],
        ),
        ("udp", "3500007F:0035 00000000:0000 07", [("127.0.0.53", 53)]),
        ("udp", "0F05A8C0:0044 0205A8C0:0043 01", []),
        ("udp", "00000000:0000 00000000:0000 07", []),
    ],
)
def test_proc_is_read(proto, row, expected):
    assert parse_proc_table(proto, table(row)) == {Listener(proto, *each) for each in expected}


def test_an_empty_table_has_no_listeners():
    assert parse_proc_table("tcp", HEADING) == parse_proc_table("tcp", "") == set()


@pytest.mark.parametrize(
    ("packed", "text"),
    [
        (b"\x7f\0\0\1", "127.0.0.1"),
        (bytes(16), "::"),
        (bytes(10) + b"\xff\xff\xc0\xa8\5\x0f", "192.168.5.15"),
    ],
)
def test_addresses_are_told_as_text(packed, text):
    assert format_address(packed) == text


def reply(kind: int, body: bytes, *, sequence: int = 7, flags: int = 2) -> bytes:
    data = netlink.HEADER.pack(netlink.HEADER.size + len(body), kind, flags, sequence, 0) + body
    return data + bytes(-len(data) % 4)


def answer(family: int, state: int, port: int, address: bytes, v6only: int = 0) -> bytes:
    fixed = diag.RESPONSE.pack(
        family, state, 0, 0, struct.pack("!H", port), bytes(2), address.ljust(16, b"\0")
    )
    attributes = b"\5\0\10\0\1\0\0\0" + bytes([5, 0, diag.INET_DIAG_SKV6ONLY, 0, v6only, 0, 0, 0])
    return reply(diag.SOCK_DIAG_BY_FAMILY, fixed + bytes(72 - len(fixed)) + attributes)


DONE = reply(netlink.NLMSG_DONE, bytes(4))


def test_netlink_messages_are_read_until_the_last():
    some = answer(socket.AF_INET, 10, 80, bytes(4)) + answer(socket.AF_INET6, 10, 443, bytes(15) + b"\1")
    some += answer(socket.AF_INET6, 10, 81, bytes(16), v6only=1)
    found = [(bytes(4), 80, False), (bytes(15) + b"\1", 443, False), (bytes(16), 81, True)]
    part = netlink.parse(some, 7)
    assert [diag.parse_entry(each) for each in part.bodies] == found
    assert not part.is_last
    assert netlink.parse(DONE, 7) == netlink.Part([], True)


def test_what_belongs_to_an_earlier_request_is_passed_over():
    assert netlink.parse(reply(netlink.NLMSG_DONE, bytes(4), sequence=6), 7) == netlink.Part([], False)


def test_a_list_that_changed_meanwhile_says_so():
    last = reply(netlink.NLMSG_DONE, bytes(4), flags=2 | netlink.NLM_F_DUMP_INTR)
    assert netlink.parse(last, 7) == netlink.Part([], True, interrupted=True)


@pytest.mark.parametrize("attributes", [b"", b"\0", b"\0\0\0\0", b"\4\0\13\0", b"\xff\xff\1\0"])
def test_attributes_that_make_no_sense_say_nothing(attributes):
    assert not any(map(any, netlink.attributes(attributes).values()))


@pytest.mark.parametrize("kind", [netlink.NLMSG_ERROR, netlink.NLMSG_DONE])
def test_a_kernel_without_the_module_says_so(kind):
    with pytest.raises(FileNotFoundError):
        netlink.parse(reply(kind, struct.pack("=i", -2) + bytes(16)), 7)


def test_both_ways_agree_on_this_machine():
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp,
        socket.create_connection(tcp.getsockname()) as client,
    ):
        udp.bind(("::1", 0))
        ours = {
            Listener("tcp", "127.0.0.1", tcp.getsockname()[1]),
            Listener("udp", "::1", udp.getsockname()[1]),
        }
        ends = {
            *(each[:3] for each in ours),
            ("tcp", *client.getsockname()),
        }  # others have ports on all addresses
        kernel = diag.SockDiag()
        for found in (scan_netlink(kernel), scan_proc()):
            assert {each for each in found if each[:3] in ends} == ours
        kernel.close()


def test_connected_udp_sockets_do_not_listen():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connected,
    ):
        peer.bind(("127.0.0.1", 0))
        connected.connect(peer.getsockname())
        port = connected.getsockname()[1]
        scanner = SocketScanner()
        for found in (scanner.scan(), scan_proc()):
            assert not [each for each in found if each.proto == "udp" and each.port == port]
        scanner.close()


def test_where_netlink_does_not_work_proc_is_read(monkeypatch):
    def refuse():
        raise PermissionError

    monkeypatch.setattr(sockets, "SockDiag", refuse)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert Listener("tcp", "127.0.0.1", server.getsockname()[1]) in SocketScanner().scan()
