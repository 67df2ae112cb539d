# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon of one network: switch, DHCP, DNS and NAT, as long as a NIC is in the network."""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

import msgspec

from callao import system
from callao.atomic import write_volatile
from callao.errors import AgentError
from callao.networks.usernet.control import LONGEST_LINE, Joined, Names, Refused, line, read_join
from callao.networks.usernet.dhcp import DhcpServer
from callao.networks.usernet.folder import NetworkFolder
from callao.networks.usernet.gateway import Gateway
from callao.networks.usernet.guard import Guard
from callao.networks.usernet.leases import Leases
from callao.networks.usernet.members import Member, Members, NotAMember
from callao.networks.usernet.nat import Nat, gateway_mac
from callao.networks.usernet.switch import Switch
from callao.resolver import ConfiguredNames, Resolver, Rules

_FIRST_NIC = 30.0
"""Seconds for the first NIC to come. The daemon ends at once after the last."""

_ANOTHER_TRY = 0.1
"""Seconds before the daemon tries again to end, where somebody is about to join."""

_PATIENCE = 10.0
"""Seconds for a connection to say what it wants."""

_UNREAD = 2 * LONGEST_LINE
"""Bytes that a host agent has not read, beyond which it is believed to be stuck."""

_FOLDER_CHECK = 2.0
"""Seconds between two looks at the daemon's folder: nobody can join any more when it has gone."""


@dataclass(frozen=True)
class Settings:
    """``reserved`` are addresses that no guest gets, beside the gateway's; ``qemu`` is the program for
    the NAT."""

    folder: NetworkFolder
    subnet: IPv4Network
    gateway: IPv4Address
    reserved: frozenset[IPv4Address]
    qemu: str


class Daemon:
    """Runs on one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._agents: dict[asyncio.StreamWriter, Member] = {}
        self._resolvers: dict[Member, Resolver] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._joined = asyncio.Event()

    async def start(self) -> None:
        """Returns when host agents can connect.

        :raises OSError: when the socket or the NAT process cannot be had.
        """
        at = self._settings
        leases = Leases(at.subnet, at.reserved | {at.gateway}, at.folder.leases)
        mac = gateway_mac(at.gateway)
        dhcp = DhcpServer(at.subnet, at.gateway, mac, leases)
        guard = Guard(at.gateway.packed, lambda address: leases.owner(IPv4Address(address)))
        self._gateway = Gateway(mac, at.gateway.packed)
        self._switch = Switch(self._gateway, guard, dhcp, self._lost)
        self._members = Members(at.gateway, leases, self._switch)
        self._nat = Nat(at.qemu, at.subnet, at.gateway, self._switch.connect_uplink)
        await self._nat.start()
        at.folder.control.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(at.folder.control))
        self._listener.listen(64)
        self._listener.setblocking(False)
        self._socket_file = at.folder.control.stat()
        with contextlib.suppress(OSError):  # as of a full disk: the file is for people
            write_volatile(at.folder.pid, f"{os.getpid()}\n".encode())

    async def run(self) -> None:
        """Serve host agents until there has been no NIC for a while, or the folder has gone.

        Nothing is left then but the connections of those who left last. They end with the process, and not
        before: their end tells that the daemon is gone.
        """
        accepting = asyncio.ensure_future(self._accept())
        task = asyncio.current_task()
        assert task is not None
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(each, task.cancel)
        looking = asyncio.ensure_future(self._end_without_folder(task))
        try:
            await self._until_empty()
        except asyncio.CancelledError:
            pass  # it was told to end
        finally:
            accepting.cancel()
            looking.cancel()
            await self._close()

    async def _end_without_folder(self, serving: asyncio.Task[None]) -> None:
        while self._has_its_folder():
            await asyncio.sleep(_FOLDER_CHECK)
        sys.stderr.write(f"{self._settings.folder.control} is no longer this daemon's socket; it ends.\n")
        serving.cancel()

    def _has_its_folder(self) -> bool:
        """False where somebody removed or renamed the folder, also when another daemon is in one of the same
        name by now."""
        try:
            return os.path.samestat(self._socket_file, self._settings.folder.control.stat())
        except OSError:
            return False

    async def _until_empty(self) -> None:
        """Returns with the lock of the folder held, so that nobody starts another daemon before this
        one's end."""
        patience = _FIRST_NIC
        while True:
            self._changed.clear()
            if self._members:
                await self._changed.wait()
                patience = 0.0
                continue
            try:
                async with asyncio.timeout(patience):
                    await self._changed.wait()
            except TimeoutError:
                if self._lock():
                    return
                patience = _ANOTHER_TRY

    def _lock(self) -> bool:
        """Whether nobody is starting a daemon, who would be about to connect to this one."""
        try:
            descriptor = os.open(self._settings.folder.dir, os.O_RDONLY)
        except OSError:  # the folder is gone
            return True
        if system.lock(descriptor):
            return True
        os.close(descriptor)
        return False

    async def _close(self) -> None:
        folder = self._settings.folder
        self._listener.close()
        if self._has_its_folder():
            for path in (folder.control, folder.pid, folder.log):
                path.unlink(missing_ok=True)
        await self._nat.close()
        self._switch.close()
        for each in list(self._resolvers.values()):
            await each.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._listener)
            task = asyncio.create_task(self._serve(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                async with asyncio.timeout(_PATIENCE):
                    data, descriptors = await _receive(connection)
            except (OSError, EOFError):
                return
            stream = socket.socket(fileno=descriptors.pop(0)) if descriptors else None
            for each in descriptors:
                os.close(each)
            await self._serve_member(connection, data, stream)

    async def _serve_member(
        self, connection: socket.socket, data: bytes, stream: socket.socket | None
    ) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        try:
            try:
                member = self._join(data, stream)
            except (NotAMember, msgspec.MsgspecError) as error:
                if stream is not None:
                    stream.close()
                await _refuse(writer, str(error))
                return
            try:
                async with self._name_server(member):
                    await self._follow(member, reader, writer)
            except AgentError as error:
                await _refuse(writer, error.message)
            finally:
                self._members.remove(member)
                self._tell_names()
            await self._end_or_others()
        except OSError:
            pass
        finally:
            writer.close()

    async def _follow(
        self, member: Member, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._agents[writer] = member
        try:
            at = self._settings
            writer.write(line(Joined(str(member.address), str(at.subnet), str(at.gateway))))
            self._tell_names()
            while await reader.read(LONGEST_LINE):
                pass  # it has nothing more to say
        finally:
            del self._agents[writer]

    @contextlib.asynccontextmanager
    async def _name_server(self, member: Member) -> AsyncIterator[None]:
        """Each NIC has its own: what one guest asks for does not take the place of others' questions."""
        resolver = Resolver(Rules(), gateway=self._settings.gateway)
        udp, tcp = await resolver.start()
        self._resolvers[member] = resolver
        self._gateway.add_name_server(member.mac, udp, tcp)
        try:
            yield
        finally:
            self._gateway.remove_name_server(member.mac, udp)
            del self._resolvers[member]
            await resolver.close()

    async def _end_or_others(self) -> None:
        """The last to leave is held until this daemon has ended: who stops it finds nothing left."""
        while not self._members:
            self._joined.clear()
            await self._joined.wait()

    def _join(self, data: bytes, stream: socket.socket | None) -> Member:
        join = read_join(data)
        if stream is None:
            raise NotAMember("no descriptor came with the message")
        member = self._members.add(join)
        self._switch.connect(stream, member.mac)
        self._joined.set()
        return member

    def _tell_names(self) -> None:
        self._changed.set()
        names = dict(self._members.names())
        configured = ConfiguredNames(Rules(hosts=names))
        for each in self._resolvers.values():
            each.replace_names(configured)
        message = line(Names(names))
        for writer in list(self._agents):
            if writer.transport.get_write_buffer_size() > _UNREAD:
                writer.transport.abort()
            else:
                writer.write(message)

    def _lost(self, mac: bytes, why: str) -> None:
        """The stream of a NIC is of no use any more: have its host agent join again."""
        for writer, member in self._agents.items():
            if member.mac == mac:
                sys.stderr.write(
                    f"NIC {member.join.mac} of {member.join.instance!r} is disconnected: {why}.\n"
                )
                writer.transport.abort()


async def _refuse(writer: asyncio.StreamWriter, why: str) -> None:
    writer.write(line(Refused(why)))
    await writer.drain()


async def _receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """The first line, and the descriptors that came with it.

    :raises EOFError: when the connection ends before that.
    """
    loop = asyncio.get_running_loop()
    connection.setblocking(False)
    data, descriptors = b"", []
    try:
        while not data.endswith(b"\n"):
            readable = loop.create_future()
            loop.add_reader(connection, _settle, readable)
            try:
                await readable
            finally:
                loop.remove_reader(connection)
            part, found, _, _ = socket.recv_fds(connection, 1 << 16, 4)
            descriptors += found
            data += part
            if not part or len(data) > LONGEST_LINE:
                raise EOFError
    except BaseException:
        for each in descriptors:
            os.close(each)
        raise
    return data, descriptors


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
