# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks of mode user-v2: throughput between guests, leases, and what the daemon costs.

    tests/bench/networks.py [--rounds 5] [--no-guests] [--pairs 10]

Two guests have two ways to each other: our switch, and QEMU's stream sockets from one QEMU to the other.
They send by each in turn; what counts is the ratio within one run. All else is measured at the daemon, by
NICs without a guest, but for ``--pairs``: so many small warm guests, each of which connects to each other
one by its name, and nothing else. gvproxy is not compared with: no package of Debian 12 has it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import stat
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "networks"))

from bench.figures import line, show
from support.home import Home, build_golden, temporary_home
from usernet.wire import Nic, dhcp_answer, dhcp_frame, dhcp_request, ip, mac, tcp

from callao.drivers.qemu import binary
from callao.networks.usernet.control import Join
from callao.networks.usernet.dhcp_message import Kind, Option
from callao.networks.usernet.folder import network_folder
from callao.networks.usernet.membership import Membership, UserNetwork, join

_SECONDS = 4
_INSTANCES = 10
_CYCLES = 50
_IDLE = 20.0
_PORT = 5201

_WRAPPER = """\
#!/bin/sh
case " $* " in
*" lima-one "*) exec {qemu} "$@" -netdev stream,id=peer,server=on,addr.type=unix,addr.path={path} \\
  -device virtio-net-pci,netdev=peer,mac=52:55:55:ff:00:01 ;;
*" lima-two "*) exec {qemu} "$@" -netdev stream,id=peer,server=off,addr.type=unix,addr.path={path} \\
  -device virtio-net-pci,netdev=peer,mac=52:55:55:ff:00:02 ;;
esac
exec {qemu} "$@"
"""
"""In place of QEMU: gives each guest one more NIC, which leads to the other's."""

_ADDRESS = """
for each in /sys/class/net/*; do
  [ "$(cat $each/address)" != 52:55:55:ff:00:0{number} ] || nic=${{each##*/}}
done
sudo ip link set $nic up && sudo ip addr replace 10.77.0.{number}/24 dev $nic
"""

_RECEIVE = f"""
import socket, threading
server = socket.create_server(("", {_PORT}))
def count(client):
    total = 0
    while data := client.recv(1 << 18):
        total += len(data)
    client.close()
while True:
    threading.Thread(target=count, args=(server.accept()[0],)).start()
"""

_SEND = f"""
import socket, sys, time
with socket.create_connection((sys.argv[1], {_PORT})) as out:
    data, total, begun = bytes(1 << 18), 0, time.monotonic()
    while time.monotonic() - begun < {_SECONDS}:
        out.sendall(data)
        total += len(data)
    out.shutdown(socket.SHUT_WR)
    out.recv(1)
    print(total * 8 / 1e6 / (time.monotonic() - begun))
"""


_CONNECT = """
import socket, sys
reached = 0
for name in sys.argv[1:]:
    for _ in range(3):
        try:
            with socket.create_connection((f"lima-{name}.internal", 22), 20) as there:
                reached += there.recv(4) == b"SSH-"
            break
        except OSError as error:
            print(name, error, file=sys.stderr)
print(reached)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-guests", action="store_true")
    parser.add_argument("--pairs", type=int, metavar="GUESTS")
    given = parser.parse_args()
    if given.pairs:
        _many(given.pairs)
        return
    with tempfile.TemporaryDirectory(prefix="net-", dir="/tmp") as folder:
        asyncio.run(_daemon(Path(folder)))
    if not given.no_guests:
        _guests(given.rounds)


async def _daemon(home: Path) -> None:
    subnet = IPv4Network("192.168.104.0/24")
    first = subnet.network_address
    folder, program = network_folder(home, "user-v2"), binary.find("x86_64") or "qemu-system-x86_64"
    network = UserNetwork(folder, subnet, first + 2, (first + 1,), program)
    begun = time.monotonic()
    members = [await join(network, Join("one", mac(1).hex(":")))]
    line(f"first NIC, with the start of the daemon: {(time.monotonic() - begun) * 1000:.0f} ms")
    for number in range(2, _INSTANCES + 1):
        members.append(await join(network, Join(f"i{number}", mac(number).hex(":"))))
    nics = [Nic(each.stream, mac(number)) for number, each in enumerate(members, 1)]
    await asyncio.to_thread(_leases, nics)
    await asyncio.to_thread(_pairs, nics)
    daemon = psutil.Process(int(folder.pid.read_text()))
    await _cost(daemon)
    await _cycles(network, members, daemon)
    left = [each.name for each in folder.dir.iterdir()]
    show("files left after the last NIC", ", ".join(left), "leases.json", left == ["leases.json"])


def _leases(nics: list[Nic]) -> None:
    times = []
    for number, nic in enumerate(nics, 3):
        begun = time.monotonic()
        nic.send(dhcp_frame(nic.mac, dhcp_request(nic.mac, Kind.DISCOVER)))
        dhcp_answer(nic.receive())
        nic.send(
            dhcp_frame(nic.mac, dhcp_request(nic.mac, Kind.REQUEST, {Option.REQUESTED_ADDRESS: ip(number)}))
        )
        kind, _, _ = dhcp_answer(nic.receive())
        assert kind is Kind.ACK
        times.append(time.monotonic() - begun)
    show("a lease, from the request on, the longest of 10", f"{max(times):.3f} s", "<= 1 s", max(times) <= 1)


def _pairs(nics: list[Nic]) -> None:
    for source in nics:
        for target in nics:
            if source is not target:
                frame = tcp(source.mac, target.mac, b"hello")
                source.send(frame)
                assert target.receive() == frame
    line(f"{len(nics)} NICs: each reaches each other one")


async def _cost(daemon: psutil.Process) -> None:
    processes = {"daemon": daemon, "NAT": daemon.children()[0]}
    before = {name: sum(each.cpu_times()[:2]) for name, each in processes.items()}
    await asyncio.sleep(_IDLE)
    for name, each in processes.items():
        share = (sum(each.cpu_times()[:2]) - before[name]) / _IDLE
        memory = each.memory_full_info()
        show(
            f"{name}: memory, idle with {_INSTANCES} NICs",
            f"{memory.pss / 2**20:.1f} MiB",
            "<= 30 MiB",
            memory.pss <= 30 * 2**20,
        )
        show(f"{name}: CPU, idle", f"{share * 100:.2f} %", "<= 0.1 %", share <= 0.001)


async def _cycles(network: UserNetwork, members: list[Membership], daemon: psutil.Process) -> None:
    before = daemon.num_fds()
    for _ in range(_CYCLES):
        await (await join(network, Join("more", mac(99).hex(":")))).leave()
    more = daemon.num_fds() - before
    show(f"descriptors more, after {_CYCLES} NICs came and went", str(more), "0", more == 0)
    for each in members:
        await each.leave()


def _many(guests: int) -> None:
    """Each guest connects to sshd of each other one."""
    small = {"cpus": 1, "memory": "192MiB", "mounts": [], "networks": [{"lima": "user-v2"}]}
    names = [f"n{number}" for number in range(1, guests + 1)]
    with temporary_home(build_golden()) as home:
        started = []
        for name in names:
            begun = time.monotonic()
            home.ensure(name, extra={**home.direct(), **small}, warm=True, timeout=600)
            started.append(time.monotonic() - begun)
        rest = statistics.median(started[1:])
        line(f"the first guest started in {started[0]:.1f} s, each one after it in {rest:.1f} s")
        begun, reached = time.monotonic(), 0
        for name in names:
            others = " ".join(each for each in names if each != name)
            done = home.ssh(name, f"python3 - {others} <<'END'\n{_CONNECT}\nEND\n", timeout=300)
            reached += int(done.stdout or 0)
            if done.stderr:
                line(f"{name}: {done.stderr.strip()}")
        pairs = guests * (guests - 1)
        show(
            "connections by name, from each guest to each other one",
            str(reached),
            str(pairs),
            reached == pairs,
        )
        line(f"all of them took {time.monotonic() - begun:.0f} s")
        daemon = psutil.Process(int(network_folder(home.path, "user-v2").pid.read_text()))
        memory = daemon.memory_full_info().pss
        show(
            f"daemon: memory with {guests} guests",
            f"{memory / 2**20:.1f} MiB",
            "<= 30 MiB",
            memory <= 30 * 2**20,
        )


def _guests(rounds: int) -> None:
    program = binary.find("x86_64") or "qemu-system-x86_64"
    with (
        tempfile.TemporaryDirectory(prefix="net-", dir="/tmp") as folder,
        temporary_home(build_golden()) as home,
    ):
        wrapper = Path(folder) / "qemu"
        wrapper.write_text(_WRAPPER.format(qemu=program, path=Path(folder) / "peer.sock"))
        wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
        os.environ["QEMU_SYSTEM_X86_64"] = str(wrapper)
        extra = {**home.direct(), "networks": [{"lima": "user-v2"}]}
        with ThreadPoolExecutor(2) as pool:
            started = [pool.submit(home.ensure, "one", extra=extra, timeout=600)]
            while not (Path(folder) / "peer.sock").exists():  # the other QEMU connects when it starts
                time.sleep(0.1)
            started.append(pool.submit(home.ensure, "two", extra=extra, timeout=600))
            for each in started:
                each.result()
        _compare(home, rounds)


def _compare(home: Home, rounds: int) -> None:
    for number, name in ((1, "one"), (2, "two")):
        done = home.ssh(name, _ADDRESS.format(number=number))
        assert done.returncode == 0, done.stderr
    address = home.ssh("one", "ip -4 -o addr show dev lima0").stdout.split()[3].partition("/")[0]
    threading.Thread(target=_receive, args=(home,), daemon=True).start()
    time.sleep(5)
    ways = {"QEMU to QEMU": "10.77.0.1", "our switch": address}
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, to in ways.items():
            done = home.ssh("two", f"python3 - {to} <<'END'\n{_SEND}\nEND\n")
            assert done.returncode == 0, done.stderr
            rates[way].append(float(done.stdout))
    medians = {way: statistics.median(each) for way, each in rates.items()}
    for way, each in rates.items():
        line(f"{way}: median {medians[way]:.0f} Mbit/s of {', '.join(f'{rate:.0f}' for rate in each)}")
    ratios = [ours / theirs for theirs, ours in zip(*rates.values(), strict=True)]
    ratio = statistics.median(ratios)
    show(
        "our switch to QEMU to QEMU, median of the rounds' ratios", f"{ratio:.2f}x", ">= 0.9x", ratio >= 0.9
    )


def _receive(home: Home) -> None:
    with contextlib.suppress(Exception):  # it ends with the guest
        home.ssh("one", f"python3 - <<'END'\n{_RECEIVE}\nEND\n", timeout=3600)


if __name__ == "__main__":
    main()
