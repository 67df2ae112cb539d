# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP connections, and how much is done at a time."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address

import pytest
from dnslib import RCODE, DNSRecord
from resolver.running import framed, question, read_framed, shown
from resolver.upstream import answer, silence

from callao.errors import AgentError
from callao.resolver import Resolver, Rules, Timeouts, listeners
from callao.resolver.limit import LimitReached, QueryLimit
from callao.resolver.responder import Responder

RULES = Rules({"a.test": "10.0.0.1", "b.test": "10.0.0.2"})


def test_a_connection_takes_several_queries(serve) -> None:
    with serve(RULES).connection() as connection:
        for name, address in (("a.test", "10.0.0.1"), ("b.test", "10.0.0.2")):
            connection.sendall(framed(question(name).pack()))
            assert str(DNSRecord.parse(read_framed(connection)).rr[0].rdata) == address


def test_more_connections_than_there_may_be_are_closed(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "MAX_CONNECTIONS", 2)
    running = serve(RULES)
    with running.connection() as first, running.connection() as second, running.connection() as third:
        for each in (first, second):
            each.sendall(framed(question("a.test").pack()))
            assert read_framed(each)
        assert third.recv(1) == b""


def test_queries_may_come_in_pieces(serve) -> None:
    with serve(RULES).connection() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in framed(question("a.test").pack()):
            connection.sendall(bytes([byte]))
        assert str(DNSRecord.parse(read_framed(connection)).rr[0].rdata) == "10.0.0.1"


def test_a_quick_answer_overtakes_a_slow_one_of_the_same_connection(forwarding) -> None:
    go_on = threading.Event()

    def script(query: DNSRecord, tcp: bool) -> list[bytes]:
        go_on.wait(20)
        return [answer(query, 'x.test. 60 TXT "slow"')]

    running, _ = forwarding(script, RULES)
    with running.connection() as connection:
        slow, quick = question("x.test", "TXT"), question("a.test")
        connection.sendall(framed(slow.pack()) + framed(quick.pack()))
        connection.shutdown(socket.SHUT_WR)
        first = DNSRecord.parse(read_framed(connection))
        go_on.set()
        second = DNSRecord.parse(read_framed(connection))
        assert [first.header.id, second.header.id] == [quick.header.id, slow.header.id]
        assert shown(second) == ['x.test. TXT "slow"']
        assert read_framed(connection) == b""


def test_an_idle_connection_ends(serve) -> None:
    running = serve(RULES, idle=0.1)
    with running.connection() as connection:
        connection.sendall(b"\0")
        assert read_framed(connection) == b""


def test_noise_over_tcp_harms_nobody_else(serve) -> None:
    running = serve(RULES)
    chance = random.Random(7766)
    for _ in range(100):
        with running.connection() as connection:
            connection.sendall(chance.randbytes(chance.randrange(1, 2000)))
            connection.shutdown(socket.SHUT_WR)
            while read_framed(connection):
                pass
    assert shown(running.ask("a.test", tcp=True)) == ["a.test. A 10.0.0.1"]


def test_pipelined_queries_in_great_number_are_answered_in_the_end(serve) -> None:
    with serve(RULES).connection() as connection:
        packet = framed(question("a.test").pack())
        writing = threading.Thread(target=connection.sendall, args=(packet * 1000,))
        writing.start()
        assert all(read_framed(connection) for _ in range(1000))
        writing.join()


def test_many_names_at_once_all_have_their_answers(forwarding) -> None:
    def script(query: DNSRecord, tcp: bool) -> list[bytes]:
        return [answer(query, f'{query.q.qname} 60 TXT "{query.q.qname}"')]

    running, server = forwarding(script)
    names = [f"n{n}.test." for n in range(400)]
    with ThreadPoolExecutor(100) as clients:
        replies = list(clients.map(lambda name: running.ask(name, "TXT"), names))
    assert [shown(reply) for reply in replies] == [[f'{name} TXT "{name}"'] for name in names]
    assert len(server.lookup) == 400


def test_with_too_many_waiting_known_names_are_answered_and_others_are_not(forwarding) -> None:
    running, _ = forwarding(silence, RULES, timeouts=Timeouts(server=3600, total=3600))
    with running.datagrams() as client:
        for n in range(300):
            client.send(question(f"x{n}.test", "TXT").pack())
            if n % 50 == 49:  # datagrams are read in turn, before they fill the socket
                client.send(question("b.test").pack())
                assert shown(DNSRecord.parse(client.recv(512))) == ["b.test. A 10.0.0.2"]
        assert RCODE[running.ask("more.test", "TXT", tcp=True).header.rcode] == "SERVFAIL"
        assert shown(running.ask("a.test", tcp=True)) == ["a.test. A 10.0.0.1"]


def test_a_query_for_which_there_is_no_place_is_lost_over_udp_alone() -> None:
    class Full:
        async def answer(self, lookup):
            with QueryLimit(0).held():
                raise AssertionError

    responder = Responder(Full())
    packet = question("x.test").pack()
    assert asyncio.run(responder.respond(packet, tcp=False)) is None
    over_tcp = asyncio.run(responder.respond(packet, tcp=True))
    assert RCODE[DNSRecord.parse(over_tcp).header.rcode] == "SERVFAIL"


def test_a_mistake_of_ours_fails_one_query_and_no_other() -> None:
    class Broken:
        async def answer(self, lookup):
            raise ZeroDivisionError

    reply = asyncio.run(Responder(Broken()).respond(question("x.test").pack(), tcp=False))
    assert RCODE[DNSRecord.parse(reply).header.rcode] == "SERVFAIL"


def test_an_answered_question_makes_way_for_another() -> None:
    limit = QueryLimit(1)
    for _ in range(2):
        with limit.held(), pytest.raises(LimitReached), limit.held():
            pass


def test_a_closed_resolver_leaves_nothing_behind(forwarding) -> None:
    async def run() -> tuple[int, set[asyncio.Task]]:
        resolver = Resolver(RULES, gateway=IPv4Address("192.168.5.2"))
        udp, tcp = await resolver.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", tcp)
        await resolver.close()
        await resolver.close()
        left = await reader.read()
        writer.close()
        for kind, port in ((socket.SOCK_DGRAM, udp), (socket.SOCK_STREAM, tcp)):
            with socket.socket(socket.AF_INET, kind) as free:
                free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                free.bind(("127.0.0.1", port))
        return len(left), asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(run()) == (0, set())


def test_queries_under_way_end_with_the_resolver(forwarding) -> None:
    lookup = threading.Event()

    def script(query: DNSRecord, tcp: bool) -> list[bytes]:
        lookup.set()
        return []

    running, _ = forwarding(script)
    with running.datagrams() as client:
        client.send(question("x.test", "TXT").pack())
        assert lookup.wait(10)  # the fixture's end closes it then


def test_a_port_that_cannot_be_had_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*args, **kwargs):
        raise OSError(24, "Too many open files")

    async def run() -> None:
        monkeypatch.setattr(asyncio, "start_server", refuse)
        await Resolver(RULES).start()

    with pytest.raises(AgentError, match=r"cannot listen on 127\.0\.0\.1"):
        asyncio.run(run())


def test_the_first_of_the_ports_that_is_free_is_taken() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as held:
            port, free = taken.getsockname()[1], held.getsockname()[1]
            held.close()
            resolver = Resolver(RULES, ports=(port, free))
            # The other protocol has the first.
            assert await resolver.start() == (port, free)
            second = Resolver(RULES, ports=(port, free, 0))
            udp, tcp = await second.start()
            await second.close()
            await resolver.close()
        assert udp == free
        assert tcp not in (port, free)

    asyncio.run(run())


def test_without_a_free_one_it_is_told() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            await Resolver(RULES, ports=(taken.getsockname()[1],)).start()

    with pytest.raises(AgentError, match=r"(?i)address already in use"):
        asyncio.run(run())
