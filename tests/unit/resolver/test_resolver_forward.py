# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the host's name servers."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from dnslib import QTYPE, RCODE, RD, RR, A, DNSRecord
from resolver.running import shown
from resolver.upstream import answer, says, silence, truncated_over_udp

from callao.resolver import Timeouts
from callao.resolver.nameservers import NameServers, Server, servers

SHORT = Timeouts(server=0.1, total=0.3)


@pytest.mark.parametrize(
    ("qtype", "zone"),
    [
        ("CNAME", "x.test. 60 CNAME y.test."),
        ("TXT", 'x.test. 60 TXT "one" "two"'),
        ("NS", "x.test. 60 NS ns.x.test."),
        ("MX", "x.test. 60 MX 10 mail.x.test."),
        ("SRV", "x.test. 60 SRV 1 2 443 web.x.test."),
        ("SOA", "x.test. 60 SOA ns.x.test. me.x.test. 1 2 3 4 5"),
        ("NAPTR", 'x.test. 60 NAPTR 1 2 "s" "SIP" "" y.test.'),
        ("CAA", 'x.test. 60 CAA 0 issue "ca.test"'),
        ("HTTPS", "x.test. 60 HTTPS 1 . alpn=h2"),
        ("PTR", "x.test. 60 PTR y.test."),
    ],
)
def test_records_come_as_the_server_has_them(forwarding, qtype: str, zone: str) -> None:
    running, server = forwarding(says(zone))
    reply = running.ask("x.test", qtype)
    assert reply.rr == RR.fromZone(zone)
    assert (RCODE[reply.header.rcode], reply.header.ra) == ("NOERROR", 1)
    assert server.lookup == [f"x.test./{qtype}/udp"]


@pytest.mark.parametrize("data", [b"", b"\xff\x00anything"])
def test_records_of_unknown_types_come_byte_for_byte(forwarding, data: bytes) -> None:
    def script(query: DNSRecord, tcp: bool) -> list[bytes]:
        reply = query.reply()
        reply.add_answer(RR("x.test", 65280, ttl=60, rdata=RD(data)))
        return [reply.pack()]

    running, _ = forwarding(script)
    query = DNSRecord.question("x.test")
    query.q.qtype = 65280
    expected = data[:0] + len(data).to_bytes(2, "big") + data
    assert running.send(query.pack()).endswith(expected)


def test_what_the_server_says_is_not_there_is_not_there(forwarding) -> None:
    soa = "test. 60 SOA ns.test. me.test. 1 2 3 4 5"
    running, _ = forwarding(says(rcode=RCODE.NXDOMAIN, authority=soa))
    reply = running.ask("x.test", "TXT")
    assert (RCODE[reply.header.rcode], [str(rr.rname) for rr in reply.auth]) == ("NXDOMAIN", ["test."])


def test_what_is_truncated_is_asked_again_over_tcp(forwarding) -> None:
    running, server = forwarding(truncated_over_udp('x.test. 60 TXT "long"'))
    assert shown(running.ask("x.test", "TXT")) == ['x.test. TXT "long"']
    assert server.lookup == ["x.test./TXT/udp", "x.test./TXT/tcp"]


def test_what_answers_no_question_of_ours_is_passed_over(forwarding) -> None:
    def script(query: DNSRecord, tcp: bool) -> list[bytes]:
        forged = answer(query, 'x.test. 60 TXT "forged"')
        other_id = bytes([forged[0] ^ 1]) + forged[1:]
        other_name = forged.replace(b"\x01x\x04test", b"\x01z\x04test")
        no_answer = forged[:2] + bytes([forged[2] & 0x7F]) + forged[3:]
        true = answer(query, 'x.test. 60 TXT "true"')
        return [other_id, other_name, no_answer, forged[:-3], b"", b"\0", os.urandom(99), true]

    running, _ = forwarding(script)
    assert shown(running.ask("x.test", "TXT")) == ['x.test. TXT "true"']


def test_what_comes_from_another_address_is_passed_over(forwarding) -> None:
    def script(query: DNSRecord, tcp: bool) -> list[bytes]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(answer(query, 'x.test. 60 TXT "forged"'), ("127.0.0.1", server.sources[-1][0]))
        return [answer(query, 'x.test. 60 TXT "true"')]

    running, server = forwarding(script)
    assert shown(running.ask("x.test", "TXT")) == ['x.test. TXT "true"']


def test_each_question_has_an_id_of_its_own(forwarding) -> None:
    running, server = forwarding(says(rcode=RCODE.NXDOMAIN))
    for n in range(20):
        running.ask(f"x{n}.test", "TXT")
    assert len({message_id for _, message_id in server.sources}) > 15
    assert len({port for port, _ in server.sources}) > 10


@pytest.mark.parametrize("script", [silence, lambda query, tcp: [b"garbage"]])
def test_a_server_that_says_nothing_of_use_is_given_up(forwarding, script) -> None:
    running, _ = forwarding(script, timeouts=SHORT)
    assert RCODE[running.ask("x.test", "TXT").header.rcode] == "SERVFAIL"


def test_clients_hear_of_dead_servers_before_they_give_up_themselves() -> None:
    assert Timeouts().total < 5


def test_a_port_where_nobody_listens_is_no_wait(forwarding, serve) -> None:
    running, server = forwarding(silence, timeouts=Timeouts(server=3600, total=3600))
    server.close()
    assert RCODE[running.ask("x.test", "TXT").header.rcode] == "SERVFAIL"


def test_without_name_servers_there_is_no_answer(serve) -> None:
    assert RCODE[serve().ask("x.test", "MX").header.rcode] == "SERVFAIL"


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="127.0.0.2 is no address by itself")
@pytest.mark.parametrize("first", [silence, says(rcode=RCODE.REFUSED), says(rcode=RCODE.SERVFAIL)])
def test_the_next_server_is_asked_when_the_first_does_not_know(
    upstream, serve, tmp_path: Path, first
) -> None:
    one = upstream(first)
    two = upstream(says('x.test. 60 TXT "two"'), address="127.0.0.2", port=one.port)
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\nnameserver 127.0.0.2\n")
    running = serve(upstream_port=one.port, timeouts=Timeouts(server=0.1, total=4.5))
    assert shown(running.ask("x.test", "TXT")) == ['x.test. TXT "two"']
    assert (one.lookup[:1], two.lookup) == (["x.test./TXT/udp"], ["x.test./TXT/udp"])


def test_the_last_server_s_reason_is_passed_on(forwarding) -> None:
    running, server = forwarding(says(rcode=RCODE.REFUSED))
    assert RCODE[running.ask("x.test", "TXT").header.rcode] == "REFUSED"
    assert len(server.lookup) == 1


def test_a_server_without_edns_is_asked_without(forwarding) -> None:
    def script(query: DNSRecord, tcp: bool) -> list[bytes]:
        if query.ar:
            return [query.header.id.to_bytes(2, "big") + b"\x80\x01" + bytes(8)]
        return [answer(query, 'x.test. 60 TXT "old"')]

    running, server = forwarding(script)
    assert shown(running.ask("x.test", "TXT", size=1232)) == ['x.test. TXT "old"']
    assert len(server.lookup) == 2


def test_dnssec_is_asked_for_by_those_who_want_it(forwarding) -> None:
    wants: list[int] = []

    def script(query: DNSRecord, tcp: bool) -> list[bytes]:
        wants.append(query.ar[0].edns_do)
        reply = query.reply()
        reply.header.ad = 1
        reply.add_answer(RR("x.test", QTYPE.A, rdata=A("10.0.0.1"), ttl=60))
        return [reply.pack()]

    running, _ = forwarding(script)
    replies = [running.ask("x.test", "MX"), running.ask("x.test", "MX", size=1232, do=True)]
    assert wants == [0, 1]
    assert [reply.header.ad for reply in replies] == [0, 1]
    assert replies[1].ar[0].edns_do == 1


def test_an_answer_is_kept_whatever_the_case_of_the_name(forwarding) -> None:
    running, server = forwarding(says('x.test. 60 TXT "kept"'))
    replies = [running.ask(name, "TXT", tcp=tcp) for name, tcp in (("x.test", False), ("X.Test", True))]
    assert [str(reply.q.qname) for reply in replies] == ["x.test.", "X.Test."]
    assert replies[0].rr == replies[1].rr
    assert len(server.lookup) == 1


def test_other_name_servers_are_asked_as_soon_as_the_file_names_them(
    forwarding, upstream, tmp_path: Path
) -> None:
    running, first = forwarding(says('x.test. 60 TXT "first"'))
    assert shown(running.ask("x.test", "TXT")) == ['x.test. TXT "first"']
    (tmp_path / "resolv.conf").write_text("# the network is down\n")
    assert RCODE[running.ask("x.test", "TXT").header.rcode] == "SERVFAIL"
    first.script = says('x.test. 60 TXT "again"')
    (tmp_path / "other").write_text(f"search test\nnameserver {first.address}\noptions edns0\n")
    (tmp_path / "other").rename(tmp_path / "resolv.conf")
    assert shown(running.ask("x.test", "TXT")) == ['x.test. TXT "again"']
    (tmp_path / "resolv.conf").unlink()
    assert RCODE[running.ask("x.test", "TXT").header.rcode] == "SERVFAIL"


def test_a_resolver_never_asks_itself() -> None:
    text = "nameserver 127.0.0.1\nnameserver ::ffff:127.0.0.1\nnameserver 0.0.0.0\nnameserver 127.0.0.53\n"
    assert servers(text, port=5353, own_ports={5353}) == (Server("127.0.0.53", 5353),)
    assert len(servers(text, port=53, own_ports={5353})) == 3


def test_lines_that_name_no_server_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_bytes(b"nameserver\nnameserver a.test\n#nameserver 1.1.1.1\n\xff\n  nameserver 10.0.0.1 # x\n"
                     b"nameserver fe80::1%eth0\n")  # fmt: skip
    found = NameServers(path)
    assert found.now() == (Server("10.0.0.1"), Server("fe80::1%eth0"))
    assert found.now() is found.now()
