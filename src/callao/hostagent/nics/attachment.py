# SPDX-License-Identifier: GPL-3.0-or-later
"""What one entry of ``networks`` is connected to, as a stream socket with the frames of its NIC."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network

from callao.config import Config, hostname_of
from callao.config.addresses import with_colons
from callao.config.network import NetworkDefinition, NetworkMode, Networks
from callao.config.networks_yaml import ensure_networks_file, networks_file
from callao.config.schema import Network
from callao.drivers.qemu import binary
from callao.errors import CallaoError, NetworkError
from callao.host import lima_home
from callao.instances import InstancePaths, ssh_alias
from callao.networks.usernet.control import Join, Joined
from callao.networks.usernet.folder import network_folder
from callao.networks.usernet.membership import Membership, UserNetwork, join
from callao.networks.vmnet.commands import socket_path
from callao.networks.vmnet.daemon import start
from callao.networks.vmnet.helper import VmnetHelper, start_helper
from callao.networks.vmnet.host_values import networks_of_host
from callao.system import hangup_watch, unix_socket

_GATEWAY = 2
"""The gateway's number in its subnet, as Lima has it: ``gateway`` in networks.yaml gives the subnet only."""


@dataclass(frozen=True)
class Attachment:
    """An open one.

    ``stream`` is for the hypervisor, which takes a duplicate. ``membership`` is that of a network with a
    daemon of ours, which knows the guest's address there; ``helper`` is the interface's vmnet-helper.
    """

    stream: socket.socket
    membership: Membership | None = None
    helper: VmnetHelper | None = None
    notice: str = ""
    """What people have to know of it."""
    carried_by_vmnet: bool = False
    """Whether the network is carried by socket_vmnet, which may end when the instance has left."""

    @property
    def address(self) -> str:
        """The guest's; empty where others give it."""
        return self.membership.joined.address if self.membership is not None else ""

    @property
    def prefix(self) -> int:
        return IPv4Network(self.membership.joined.subnet).prefixlen if self.membership is not None else 0

    @property
    def gateway(self) -> str:
        return self.membership.joined.gateway if self.membership is not None else ""

    def hand_over(self) -> None:
        """After the hypervisor has its duplicate: ours is kept only to see the other end's hang-up."""
        if self.membership is not None or self.helper is not None:
            self.stream.close()

    async def lost(self, names_changed: Callable[[dict[str, str]], None]) -> None:
        """Return when the program that carries the network has gone.

        :param names_changed: is told the names in the network, each time that they have changed.
        """
        if self.helper is not None:
            await self.helper.wait()
        elif self.membership is None:
            await _wait_hung_up(self.stream)
        else:
            while (names := await self.membership.names()) is not None:
                names_changed(names)

    async def leave(self) -> None:
        """Leave the network."""
        self.stream.close()
        if self.membership is not None:
            await self.membership.leave()
        if self.helper is not None:
            await self.helper.end()


async def attach(network: Network, paths: InstancePaths, config: Config) -> Attachment:
    """:raises NetworkError: when there is no such network, or it cannot be joined."""
    if network.socket:
        hint = "Start the program that listens there, or remove the entry."
        return Attachment(_connected(network.socket, network.interface, hint))
    ensure_networks_file(lima_home())
    networks = networks_of_host(lima_home())
    definition = _definition(network, networks)
    if definition.mode is not NetworkMode.USER_V2 and networks.paths.is_vmnet_helper:
        log = paths.dir / f"vmnet-helper.{network.interface}.log"
        helper = await start_helper(networks, definition, lima_home(), log)
        return Attachment(helper.stream, helper=helper)
    if definition.mode is not NetworkMode.USER_V2:
        # sudo may wait for the daemon for half a minute, and the host agent has others to answer.
        await asyncio.to_thread(start, networks, definition, lima_home())
        path = str(socket_path(networks, definition.name))
        hint = f"Be a member of the group {networks.group}, which may use it."
        return Attachment(_connected(path, network.interface, hint), carried_by_vmnet=True)
    membership = await join(_usernet_network(definition, config), _join_request(network, paths, config))
    notice = _subnet_notice(membership.joined, definition)
    return Attachment(membership.stream, membership, notice=notice)


async def reattach(left: Attachment, network: Network, paths: InstancePaths, config: Config) -> Attachment:
    """Be in a network again that has been left. In one of mode user-v2 the guest has an address of its
    subnet, so it keeps that one as long as it can, whatever networks.yaml says by now.

    :raises NetworkError: when it cannot be joined.
    """
    if left.membership is None:
        return await attach(network, paths, config)
    there = left.membership.network
    membership = await join(there, _join_request(network, paths, config))
    before, now = left.membership.joined, membership.joined
    notice = ""
    if (before.subnet, before.gateway) != (now.subnet, now.gateway):
        notice = (
            f"networks: {there.name!r} has the subnet {now.subnet} by now, and the guest an address "
            f"of {before.subnet}: restart the instance."
        )
    else:
        with contextlib.suppress(CallaoError):
            definition = networks_of_host(lima_home()).by_name.get(there.name)
            notice = _subnet_notice(now, definition) if definition is not None else ""
    return Attachment(membership.stream, membership, notice=notice)


def _subnet_notice(joined: Joined, definition: NetworkDefinition) -> str:
    if joined.subnet == str(definition.subnet):
        return ""
    return (
        f"networks: {definition.name!r} keeps its subnet {joined.subnet} as long as an instance is in it; "
        f"networks.yaml has {definition.subnet}."
    )


def _join_request(network: Network, paths: InstancePaths, config: Config) -> Join:
    lima, alias = hostname_of(paths.name), ssh_alias(paths.name)
    hostname = hostname_of(paths.name, config.hostname)
    names = tuple(dict.fromkeys([*(f"{each}.internal" for each in (lima, alias, hostname)), hostname]))
    hosts = config.host_resolver.hosts if config.host_resolver.enabled else {}
    return Join(paths.name, with_colons(network.mac_address), names, dict(hosts))


def _definition(network: Network, networks: Networks) -> NetworkDefinition:
    name = network.lima or ""
    definition = networks.by_name.get(name)
    if definition is None:
        raise NetworkError(
            f"networks: {name!r} is not a network in {networks_file(lima_home())}.",
            hint="Add it: callao network create.",
        )
    return definition


def _usernet_network(definition: NetworkDefinition, config: Config) -> UserNetwork:
    home, name, subnet = lima_home(), definition.name, definition.subnet
    assert subnet is not None
    program = binary.find(config.arch.value)
    if program is None:
        raise NetworkError(f"networks: {name!r}: {binary.not_found_message(config.arch.value)}")
    assert definition.gateway is not None
    first = definition.gateway
    return UserNetwork(
        network_folder(home, name), subnet, subnet.network_address + _GATEWAY, (first,), program
    )


def _connected(path: str, interface: str, hint: str) -> socket.socket:
    stream = unix_socket()
    try:
        stream.connect(path)
    except OSError as error:
        stream.close()
        raise NetworkError(
            f"networks: {interface}: the socket {path} cannot be connected to: {error.strerror}.",
            hint=hint,
        ) from error
    return stream


async def _wait_hung_up(stream: socket.socket) -> None:
    """Return when the other end is closed. The hypervisor reads the stream, so that nobody does here."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    with hangup_watch(stream.fileno()) as watch:

        def look() -> None:
            if watch.hung_up():
                ended.set()

        loop.add_reader(watch.descriptor, look)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(watch.descriptor)
