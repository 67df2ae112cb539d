# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages: EDNS, truncation, refusals, and what is no message at all."""

from __future__ import annotations

import contextlib
import random
import socket
import struct

import pytest
from dnslib import CLASS, EDNS0, MX, QTYPE, RCODE, RR, DNSBuffer, DNSLabel, DNSRecord
from resolver.running import question, shown
from resolver.upstream import answer, says

from callao.resolver import Rules
from callao.resolver.buffer import NameBuffer, WireError
from callao.resolver.decoding import read_answer, read_query
from callao.resolver.encoding import write_answer
from callao.resolver.message import Answer, Record

RULES = Rules({"a.test": "10.0.0.1"})
HEADER = struct.pack("!HHHHHH", 77, 0x0100, 1, 0, 0, 0)
A_TEST = b"\x01a\x04test\x00"


def long_text(size: int) -> str:
    return "x.test. 60 TXT " + " ".join(f'"{"t" * 200}"' for _ in range(size // 200))


@pytest.mark.parametrize(
    ("advertised", "size", "truncated"),
    [(0, 400, 0), (0, 600, 1), (100, 400, 0), (100, 600, 1), (1232, 1000, 0), (1232, 1400, 1),
     (4096, 3800, 0), (65535, 3800, 0), (65535, 4400, 1)],
)  # fmt: skip
def test_an_answer_is_no_larger_than_the_client_takes(
    forwarding, advertised: int, size: int, truncated: int
) -> None:
    running, _ = forwarding(lambda query, tcp: [answer(query, long_text(size))])
    packet = running.send(question("x.test", "TXT", size=advertised).pack())
    assert len(packet) <= min(max(advertised, 512), 4096)
    reply = DNSRecord.parse(packet)
    assert (reply.header.tc, len(reply.rr)) == (truncated, 1 - truncated)
    assert len(reply.ar) == (1 if advertised else 0)
    assert len(running.ask("x.test", "TXT", tcp=True).rr[0].rdata.data) == size // 200


def test_additional_records_go_before_an_answer_is_truncated(forwarding) -> None:
    def script(query: DNSRecord, tcp: bool) -> list[bytes]:
        reply = query.reply()
        reply.add_answer(*RR.fromZone(long_text(400)))
        reply.add_ar(*RR.fromZone(long_text(400)))
        return [reply.pack()]

    running, _ = forwarding(script)
    reply = running.ask("x.test", "TXT")
    assert (reply.header.tc, len(reply.rr), len(reply.ar)) == (0, 1, 0)
    assert len(running.ask("x.test", "TXT", size=1232).ar) == 2


def test_answers_beyond_sixteen_kilobytes_can_be_read() -> None:
    query = read_query(question("x.test", "MX").pack())
    assert query is not None
    assert query.lookup is not None
    names = [DNSLabel(f"{'n' * 50}{n}.{n % 7}.test") for n in range(600)]
    records = tuple(Record(name, QTYPE.MX, 60, MX(name.add("mail"), 1)) for name in names)
    packet = write_answer(query, Answer(answers=records), 65535)
    read = read_answer(packet, query.message_id, query.lookup.question)
    assert read is not None
    assert len(packet) > 0x4000
    assert [record.name for record in read.answers] == names
    assert [record.data.label for record in read.answers] == [name.add("mail") for name in names]


def test_a_client_without_edns_gets_none(serve) -> None:
    running = serve(RULES)
    assert running.ask("a.test").ar == []
    (option,) = running.ask("a.test", size=1232, do=True).ar
    assert (option.rtype, option.edns_len, option.edns_ver, option.edns_do) == (QTYPE.OPT, 4096, 0, 1)


def test_an_edns_of_the_future_is_told_so(serve) -> None:
    query = DNSRecord.question("a.test")
    query.add_ar(EDNS0(version=1, udp_len=1232))
    reply = DNSRecord.parse(serve(RULES).send(query.pack()))
    assert (reply.ar[0].edns_rcode << 4 | reply.header.rcode, reply.rr) == (16, [])


def test_any_has_one_short_answer(serve) -> None:
    reply = serve(RULES).ask("a.test", "ANY")
    assert [(rr.rtype, rr.rdata.data) for rr in reply.rr] == [(13, b"\x07RFC8482\x00")]


@pytest.mark.parametrize("qclass", [CLASS.CH, CLASS.Hesiod, 255, 0])
def test_other_classes_are_refused(serve, qclass: int) -> None:
    query = DNSRecord.question("a.test")
    query.q.qclass = qclass
    assert RCODE[DNSRecord.parse(serve(RULES).send(query.pack())).header.rcode] == "REFUSED"


@pytest.mark.parametrize("qtype", ["AXFR", "IXFR", "OPT"])
def test_operations_are_refused(serve, qtype: str) -> None:
    assert RCODE[serve(RULES).ask("a.test", qtype).header.rcode] == "REFUSED"


@pytest.mark.parametrize("opcode", [1, 2, 4, 5, 6, 15])
def test_other_opcodes_are_not_implemented(serve, opcode: int) -> None:
    query = DNSRecord.question("a.test")
    query.header.opcode = opcode
    reply = DNSRecord.parse(serve(RULES).send(query.pack()))
    assert (reply.header.opcode, reply.header.rcode, reply.header.id) == (opcode, 4, query.header.id)


@pytest.mark.parametrize(
    "packet",
    [
        HEADER[:4],
        HEADER[:11],
        HEADER,
        HEADER + A_TEST,
        HEADER + A_TEST + b"\x00\x01\x00",
        HEADER + b"\x40" + b"a" * 64 + b"\x00\x00\x01\x00\x01",
        HEADER + b"\x80a\x00\x00\x01\x00\x01",
        HEADER + b"\xc0\x0c\x00\x01\x00\x01",
        HEADER + b"\xff\xff\x00\x01\x00\x01",
        HEADER + (b"\x3f" + b"a" * 63) * 4 + b"\x00\x00\x01\x00\x01",
        struct.pack("!HHHHHH", 77, 0, 0, 0, 0, 0),
        struct.pack("!HHHHHH", 77, 0, 2, 0, 0, 0) + (A_TEST + b"\0\1\0\1") * 2,
        struct.pack("!HHHHHH", 77, 0, 1, 0, 0, 1) + A_TEST + b"\0\1\0\1",
        struct.pack("!HHHHHH", 77, 0, 1, 0, 0, 2) + A_TEST + b"\0\1\0\1" + (b"\0\0\x29" + bytes(8)) * 2,
        struct.pack("!HHHHHH", 77, 0, 1, 0, 0, 1) + A_TEST + b"\0\1\0\1" + b"\x01a\0\0\x29" + bytes(8),
        struct.pack("!HHHHHH", 77, 0, 1, 0, 0, 9000) + A_TEST + b"\0\1\0\1" + bytes(11) * 900,
    ],
)
def test_a_malformed_query_is_told_so_under_its_id(serve, packet: bytes) -> None:
    message_id, flags = struct.unpack_from("!HH", serve(RULES).send(packet))
    assert (message_id, flags & 0x800F) == (77, 0x8001)


@pytest.mark.parametrize(
    "packet", [b"", b"\0", b"\0\1\0", HEADER[:2] + b"\x80" + HEADER[3:] + A_TEST + b"\0\1\0\1"]
)
def test_what_has_no_id_or_is_an_answer_itself_is_dropped(packet: bytes) -> None:
    assert read_query(packet) is None


def test_an_answer_sent_to_the_resolver_is_not_answered(serve) -> None:
    running = serve(RULES)
    with running.datagrams() as client:
        client.send(DNSRecord.question("a.test").reply().pack())
        client.send(question("a.test").pack())
        assert shown(DNSRecord.parse(client.recv(512))) == ["a.test. A 10.0.0.1"]


def test_pointers_that_go_round_end() -> None:
    buffer = NameBuffer(bytes(0xBF) + b"\xc0\xc0\xbf" + bytes(9))
    buffer.offset = 0xBF
    with pytest.raises(WireError):
        buffer.decode_name()


def test_names_of_any_bytes_come_back_as_they_were() -> None:
    names = [
        DNSLabel([b"\xff\0.", b"test"]),
        DNSLabel([b"A", b"\xff\0.", b"test"]),
        DNSLabel([b"x" * 63] * 3),
    ]
    written = NameBuffer()
    for name in names:
        written.encode_name(name)
    read = NameBuffer(written.data)
    assert [read.decode_name().label for _ in names] == [name.label for name in names]
    assert len(written) < sum(len(name) + 2 for name in names)
    assert isinstance(read, DNSBuffer)


def test_a_server_survives_five_thousand_packets_of_noise(forwarding, monkeypatch) -> None:
    # Names by chance are not for the real getaddrinfo, which may take its time.
    def nothing(*args):
        raise socket.gaierror(socket.EAI_NONAME, "")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    running, _ = forwarding(says('x.test. 60 TXT "there"'), RULES)
    chance = random.Random(8482)
    whole = question("a.test", size=1232).pack()
    with running.datagrams() as client:
        client.setblocking(False)
        for n in range(5000):
            client.send(_noise(chance, whole))
            with contextlib.suppress(BlockingIOError):
                client.recv(4096)
            if n % 25 == 0:  # before they fill the socket, and the kernel drops what follows
                assert shown(running.ask("a.test")) == ["a.test. A 10.0.0.1"]
    assert shown(running.ask("x.test", "TXT")) == ['x.test. TXT "there"']


def _noise(chance: random.Random, whole: bytes) -> bytes:
    """Bytes by chance; or a query with some of them changed, or cut."""
    if chance.random() < 0.4:
        return chance.randbytes(chance.randrange(1, 300))
    changed = bytearray(whole)
    for _ in range(chance.randrange(1, 6)):
        changed[chance.randrange(2, len(changed))] = chance.randrange(256)
    return bytes(changed[: chance.randrange(1, len(changed) + 1)] if chance.random() < 0.3 else changed)
