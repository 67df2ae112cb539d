# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the program in the foreground until it is told to end."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from callao.networks.usernet.dhcp import DhcpServer
from callao.networks.usernet.dhcp_message import Option
from callao.networks.usernet.guard import Guard
from callao.networks.usernet.leases import Leases
from callao.networks.vmnet.linux.interface import Unavailable, host_interface, mac_address
from callao.networks.vmnet.linux.options import Options, WrongOption, read_options
from callao.networks.vmnet.linux.relay import Relay, SubnetServices

_LEFT_OUT = {"host": (Option.DNS, Option.ROUTER), "shared": (Option.DNS,)}
"""What the network does not offer: ``host`` leads nowhere else, and the guest's eth0 has a name server."""


@dataclass(frozen=True)
class _Dhcp(DhcpServer):
    left_out: tuple[Option, ...] = ()

    def _options(self, *, with_lease: bool) -> Mapping[Option, bytes]:
        found = super()._options(with_lease=with_lease)
        return {option: value for option, value in found.items() if option not in self.left_out}


def main(arguments: list[str]) -> int:
    os.umask(0o022)
    try:
        options = read_options(arguments)
        with _pid_file(options) as pid_file, host_interface(options) as tap, _server(options) as server:
            asyncio.run(_carry(options, server, tap, pid_file))
    except (WrongOption, Unavailable, OSError) as error:
        sys.stderr.write(f"socket_vmnet: {error}\n")
        return 1
    return 0


async def _carry(options: Options, server: socket.socket, tap: int, pid_file: int) -> None:
    relay = _relay(options, server, tap)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, relay.end)
    os.pwrite(pid_file, f"{os.getpid()}\n".encode("ascii"), 0)
    await relay.run()


def _relay(options: Options, server: socket.socket, tap: int) -> Relay:
    if options.subnet is None:
        return Relay(server, tap, set(), None)
    assert options.gateway is not None
    mac = mac_address(options.interface)
    return Relay(server, tap, {mac}, _services(options, mac))


def _services(options: Options, mac: bytes) -> SubnetServices:
    assert options.subnet is not None
    assert options.gateway is not None
    assert options.dhcp_end is not None
    first, last = int(options.gateway), int(options.dhcp_end)
    lowest, highest = int(options.subnet.network_address), int(options.subnet.broadcast_address)
    reserved = frozenset(map(IPv4Address, (*range(lowest, first + 1), *range(last + 1, highest + 1))))
    leases = Leases(options.subnet, reserved, options.leases)
    dhcp = _Dhcp(options.subnet, options.gateway, mac, leases, _LEFT_OUT[options.mode])
    guard = Guard(options.gateway.packed, lambda address: leases.owner(IPv4Address(address)))
    return SubnetServices(guard, dhcp)


@contextlib.contextmanager
def _pid_file(options: Options) -> Iterator[int]:
    """Its descriptor. Locked, so that there is one program for a network; removed at the end."""
    descriptor = os.open(options.pid_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(f"{options.pid_file} is locked: the network is carried already") from None
        os.ftruncate(descriptor, 0)
        yield descriptor
        options.pid_file.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _server(options: Options) -> Iterator[socket.socket]:
    """For members of the group."""
    options.socket.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        before = os.umask(0o007)
        try:
            server.bind(str(options.socket))
        finally:
            os.umask(before)
        # Not through a link that a member of the group daemon, whose folder it may be, puts there meanwhile.
        os.chown(options.socket, 0, options.group, follow_symlinks=False)
        server.listen()
        server.setblocking(False)
        yield server
        options.socket.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
