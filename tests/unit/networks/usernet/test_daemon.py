# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's life: started by the first NIC, ended after the last, and what faults leave."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import psutil
import pytest
from dnslib import DNSRecord
from networks.usernet.wire import GATEWAY_MAC, Nic, arp, dhcp_answer, dhcp_frame, dhcp_request, ip, mac

from callao import system
from callao.drivers.qemu import binary
from callao.errors import NetworkError
from callao.networks.usernet.control import Join
from callao.networks.usernet.dhcp_message import Kind
from callao.networks.usernet.folder import network_folder
from callao.networks.usernet.membership import UserNetwork, join, start_command
from callao.networks.usernet.packets import udp_frame

QEMU = binary.find("x86_64") or ""


@pytest.fixture
def network(tmp_path: Path) -> UserNetwork:
    return _network(tmp_path)


def _network(home: Path, subnet: str = "192.168.104.0/24", qemu: str = QEMU) -> UserNetwork:
    net = IPv4Network(subnet)
    first = net.network_address
    return UserNetwork(network_folder(home, "user-v2"), net, first + 2, (first + 1,), qemu)


def _wanted(name: str, number: int, **more: object) -> Join:
    return Join(name, mac(number).hex(":"), (f"lima-{name}.internal",), **more)  # type: ignore[arg-type]


def _run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work()

    asyncio.run(bounded())


def _daemon(network: UserNetwork) -> psutil.Process:
    return psutil.Process(int(network.folder.pid.read_text()))


def _pids(daemon: psutil.Process) -> list[int]:
    return [each.pid for each in daemon.children() if each.status() != psutil.STATUS_ZOMBIE]


async def _gone(*processes: psutil.Process) -> None:
    while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes):
        await asyncio.sleep(0.02)


def test_it_begins_with_the_first_nic_and_leaves_but_leases_after_the_last(network: UserNetwork) -> None:
    async def work() -> None:
        one, two = await asyncio.gather(join(network, _wanted("one", 1)), join(network, _wanted("two", 2)))
        daemon = _daemon(network)
        nat = daemon.children()
        assert sorted((one.joined.address, two.joined.address)) == ["192.168.104.3", "192.168.104.4"]
        assert len(nat) == 1
        await one.leave()
        assert daemon.is_running()
        await two.leave()
        assert [each.name for each in network.folder.dir.iterdir()] == ["leases.json"]
        await _gone(daemon, *nat)

    _run(work)


def test_names_come_to_all_and_go_with_their_instance(network: UserNetwork) -> None:
    async def work() -> None:
        one = await join(network, _wanted("one", 1, hosts={"db.test": "10.1.2.3"}))
        two = await join(network, _wanted("two", 2))
        gateway, own = {"host.lima.internal": "192.168.104.2"}, {"lima-two.internal": "192.168.104.4"}
        of_one = {"db.test": "10.1.2.3", "lima-one.internal": "192.168.104.3"}
        assert await two.names() == {**gateway, **of_one, **own}
        one.close()
        assert await two.names() == {**gateway, **own}
        two.close()

    _run(work)


def test_the_gateway_answers_dhcp_arp_and_names(network: UserNetwork) -> None:
    async def work() -> None:
        one = await join(network, _wanted("one", 1))
        await asyncio.to_thread(_converse, Nic(one.stream, mac(1)))
        one.close()

    _run(work)


def _converse(nic: Nic) -> None:
    nic.send(dhcp_frame(nic.mac, dhcp_request(nic.mac, Kind.DISCOVER)))
    assert dhcp_answer(nic.receive())[:2] == (Kind.OFFER, IPv4Address("192.168.104.3"))
    nic.send(arp(nic.mac, ip(3), ip(2)))
    answer = nic.receive()
    while answer[12:14] != b"\x08\x06" or answer[20:22] != b"\x00\x02":
        answer = nic.receive()
    assert answer[22:28] == GATEWAY_MAC
    query = DNSRecord.question("lima-one.internal").pack()
    nic.send(udp_frame((nic.mac, GATEWAY_MAC), (ip(3), ip(2)), (5353, 53), query))
    answer = nic.receive()
    while answer[12:14] != b"\x08\x00":
        answer = nic.receive()
    assert (answer[26:30], answer[34:36]) == (ip(2), b"\x00\x35")
    assert str(DNSRecord.parse(answer[42:]).a.rdata) == "192.168.104.3"


def test_a_daemon_that_is_killed_is_told_and_started_again_with_its_leases(network: UserNetwork) -> None:
    async def work() -> None:
        first = await join(network, _wanted("one", 1))
        second = await join(network, _wanted("two", 2))
        daemon = _daemon(network)
        nat = daemon.children()
        daemon.kill()
        while await second.names() is not None:
            pass
        await _gone(daemon, *nat)
        assert network.folder.control.exists()
        again = await join(network, _wanted("two", 2))
        assert again.joined.address == second.joined.address
        for each in (first, second, again):
            each.close()
        await _gone(_daemon(network))

    _run(work)


def test_a_nat_process_that_is_killed_is_started_again(network: UserNetwork) -> None:
    async def work() -> None:
        one = await join(network, _wanted("one", 1))
        daemon = _daemon(network)
        (nat,) = daemon.children()
        nat.kill()
        while _pids(daemon) in ([], [nat.pid]):
            await asyncio.sleep(0.02)
        await asyncio.to_thread(_converse, Nic(one.stream, mac(1)))
        one.close()
        await _gone(daemon)

    _run(work)


def test_a_pid_file_of_another_process_and_a_dead_socket_hinder_nothing(network: UserNetwork) -> None:
    network.folder.dir.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        network.folder.pid.write_text(f"{other.pid}\n")
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(network.folder.control))

        async def work() -> None:
            one = await join(network, _wanted("one", 1))
            daemon = _daemon(network)
            one.close()
            await _gone(daemon)

        _run(work)
        assert other.poll() is None
        other.kill()


def test_a_signal_ends_it_and_leaves_nothing(network: UserNetwork) -> None:
    async def work() -> None:
        one = await join(network, _wanted("one", 1))
        daemon = _daemon(network)
        nat = daemon.children()
        os.kill(daemon.pid, signal.SIGTERM)
        await _gone(daemon, *nat)
        assert [each.name for each in network.folder.dir.iterdir()] == ["leases.json"]
        one.close()

    _run(work)


def test_a_nic_that_cannot_be_in_the_network_is_refused(network: UserNetwork) -> None:
    async def work() -> None:
        one = await join(network, _wanted("one", 1))
        for address, words in {
            mac(1).hex(":"): "is that of 'one', which runs: choose another",
            "53:55:55:00:00:01": "is a group's",
            "52-55": "is no MAC address",
        }.items():
            with pytest.raises(NetworkError, match=f"'two' cannot be in 'user-v2': macAddress.*{words}"):
                await join(network, Join("two", address))
        one.close()

    _run(work)


def test_a_full_network_is_told(tmp_path: Path) -> None:
    async def work() -> None:
        network = _network(tmp_path, "10.9.8.0/30")
        with pytest.raises(NetworkError, match="no address of its subnet is left: stop an instance"):
            await join(network, _wanted("one", 1))

    _run(work)


def test_a_daemon_that_cannot_start_is_told_with_its_words(tmp_path: Path) -> None:
    async def work() -> None:
        with pytest.raises(NetworkError, match=r"'user-v2' cannot be started: .*No such file.*nowhere"):
            await join(_network(tmp_path, qemu="/nowhere/qemu"), _wanted("one", 1))

    _run(work)


def test_a_path_that_is_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    async def work() -> None:
        with pytest.raises(NetworkError, match="has too many bytes for a socket"):
            await join(_network(tmp_path / ("x" * 100)), _wanted("one", 1))

    _run(work)


def test_strangers_at_its_socket_are_refused_alone(network: UserNetwork) -> None:
    async def work() -> None:
        one = await join(network, _wanted("one", 1))
        for words in (b"", b"{}\n", b"nonsense\n", b'{"type":"join","instance":1}\n', b"half a line"):
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(str(network.folder.control))
                stranger.sendall(words)
                (await join(network, _wanted("two", 2))).close()
        one.close()
        await _gone(_daemon(network))

    _run(work)


def test_an_instance_that_starts_again_replaces_its_earlier_run(network: UserNetwork) -> None:
    async def work() -> None:
        one = await join(network, _wanted("one", 1))
        again = await join(network, _wanted("one", 1))
        assert again.joined == one.joined
        assert Nic(one.stream, mac(1)).ended()
        one.close()
        await asyncio.to_thread(_converse, Nic(again.stream, mac(1)))
        again.close()

    _run(work)


def test_fifty_nics_up_and_down_leave_nothing(network: UserNetwork) -> None:
    async def work() -> None:
        one = await join(network, _wanted("one", 1))
        daemon = _daemon(network)
        before = daemon.num_fds()
        for _ in range(50):
            (await join(network, _wanted("two", 2))).close()
        while daemon.num_fds() > before:
            await asyncio.sleep(0.02)
        one.close()
        await _gone(daemon)
        assert [each.name for each in network.folder.dir.iterdir()] == ["leases.json"]

    _run(work)


def test_a_daemon_whose_folder_is_renamed_ends_and_leaves_the_next_one_alone(network: UserNetwork) -> None:
    async def work() -> None:
        one = await join(network, _wanted("one", 1))
        first = _daemon(network)
        network.folder.dir.rename(network.folder.dir.with_name("elsewhere"))
        two = await join(network, _wanted("two", 2))
        second = _daemon(network)
        while await one.names() is not None:
            pass
        await _gone(first)
        three = await join(network, _wanted("three", 3))
        assert _daemon(network).pid == second.pid
        two.close()
        three.close()
        await _gone(second)

    _run(work)


def test_a_pid_file_that_cannot_be_written_is_no_fault(network: UserNetwork) -> None:
    network.folder.pid.mkdir(parents=True)

    async def work() -> None:
        one = await join(network, _wanted("one", 1))
        assert one.joined.address == "192.168.104.3"
        await one.leave()
        assert not network.folder.control.exists()

    _run(work)


def test_who_starts_a_daemon_shares_the_lock_with_it_until_it_can_be_joined(network: UserNetwork) -> None:
    network.folder.dir.mkdir(parents=True)

    def lock() -> int | None:
        descriptor = os.open(network.folder.dir, os.O_RDONLY)
        if system.lock(descriptor):
            return descriptor
        os.close(descriptor)
        return None

    held = lock()
    assert held is not None
    argv = start_command(network, held)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, pass_fds=(held,)) as starting:
        os.close(held)  # as when the starter is killed
        assert lock() is None
        assert starting.stdout is not None
        assert starting.stdout.readline() == b"ready\n"
    taken = lock()
    assert taken is not None
    os.close(taken)
    _daemon(network).terminate()


def test_a_starter_with_many_descriptors_starts_a_daemon(network: UserNetwork) -> None:
    system.allow_descriptors(2048)
    null = os.open(os.devnull, os.O_RDONLY)
    many = [os.dup(null) for _ in range(1100)]

    async def work() -> None:
        one = await join(network, _wanted("one", 1))
        await one.leave()

    try:
        _run(work)
    finally:
        for each in (null, *many):
            os.close(each)


def test_a_nic_whose_stream_is_out_of_step_is_told_and_can_join_again(network: UserNetwork) -> None:
    async def work() -> None:
        one = await join(network, _wanted("one", 1))
        two = await join(network, _wanted("two", 2))
        await asyncio.get_running_loop().run_in_executor(None, one.stream.sendall, b"\xff" * 100)
        while await one.names() is not None:
            pass
        again = await join(network, _wanted("one", 1))
        await asyncio.to_thread(_converse, Nic(again.stream, mac(1)))
        assert "of 'one' is disconnected: a frame of 4294967295 bytes" in network.folder.log.read_text()
        again.close()
        two.close()
        await _gone(_daemon(network))

    _run(work)


def test_more_names_than_a_message_holds_are_refused(network: UserNetwork) -> None:
    hosts = {f"{number:060}.{'n' * 20}": "10.1.2.3" for number in range(12_000)}
    words = "its hostResolver.hosts make a message of .* bytes .allowed: 1048576"
    with pytest.raises(NetworkError, match=words):
        asyncio.run(join(network, _wanted("one", 1, hosts=hosts)))
    assert not network.folder.dir.exists()
