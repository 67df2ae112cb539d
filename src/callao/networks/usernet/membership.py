# SPDX-License-Identifier: GPL-3.0-or-later
"""A NIC's membership of a network, on the side of its host agent; the first one starts the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

import msgspec

from callao import system
from callao.errors import NetworkError, unsupported
from callao.file_end import read_end
from callao.networks.usernet.control import LONGEST_LINE, Join, Joined, Names, Refused, line, read_answer
from callao.networks.usernet.folder import NetworkFolder
from callao.networks.usernet.packets import STREAM_BUFFER
from callao.system import UNIX_PATH_MAX

_TRIES = 5
"""To join: a daemon may end just then."""

_LONGEST_LOG = 4096
"""Bytes of the daemon's log that are read for its last line."""

_PATIENCE = 30.0
"""Seconds for the daemon to start, or to answer; a loaded host needs a few."""

_END = 5.0
"""Seconds for the daemon to end."""

_POLL = 0.02
"""Seconds between two tries for the lock: flock(2) has no timeout."""


@dataclass(frozen=True)
class UserNetwork:
    """A network of mode user-v2: what its daemon is started with, see :class:`.daemon.Settings`."""

    folder: NetworkFolder
    subnet: IPv4Network
    gateway: IPv4Address
    reserved: tuple[IPv4Address, ...]
    qemu: str

    @property
    def name(self) -> str:
        return self.folder.name


class Membership:
    """One of ``network`` that has begun. ``stream`` is the NIC's end of its frames, for the hypervisor."""

    def __init__(
        self,
        network: UserNetwork,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        joined: Joined,
        stream: socket.socket,
    ) -> None:
        self.network = network
        self.joined = joined
        self.stream = stream
        self._reader = reader
        self._writer = writer

    async def names(self) -> dict[str, str] | None:
        """The network's names, each time that they have changed; None when the daemon has gone."""
        try:
            while data := await self._reader.readline():
                message = read_answer(data)
                if isinstance(message, Names):
                    return message.names
        except (OSError, ValueError, msgspec.MsgspecError):
            pass
        return None

    async def leave(self) -> None:
        """Leave the network; returns when its daemon has noticed, or, after the last, has ended."""
        self.stream.close()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_END):
                self._writer.write_eof()
                while await self._reader.read(LONGEST_LINE):
                    pass
        self._writer.close()

    def close(self) -> None:
        """End the connection, as a crash would."""
        self.stream.close()
        self._writer.close()


async def join(network: UserNetwork, wanted: Join) -> Membership:
    """Be in the network; its daemon is started where none runs.

    :raises NetworkError: when that cannot be.
    """
    if sys.platform == "win32":
        raise unsupported("a network of mode user-v2")
    if (size := len(line(wanted))) > LONGEST_LINE:
        raise NetworkError(
            f"networks: {wanted.instance!r} cannot be in {network.name!r}: its hostResolver.hosts make a "
            f"message of {size} bytes (allowed: {LONGEST_LINE}).",
            hint="Remove some of hostResolver.hosts.",
        )
    _create_folder(network)
    for _ in range(_TRIES):
        connection = await _connected(network)
        try:
            async with asyncio.timeout(_PATIENCE):
                membership = await _ask(network, connection, wanted)
        except TimeoutError:
            raise NetworkError(
                f"networks: the daemon of {network.name!r} did not answer within {_PATIENCE:.0f} s.",
                hint=f"Its process id is in {network.folder.pid}; what it wrote in {network.folder.log}.",
            ) from None
        if membership is not None:
            return membership
    raise NetworkError(
        f"networks: the daemon of {network.name!r} ended {_TRIES} times as it was asked.",
        hint=f"What it wrote is in {network.folder.log}.",
    )


def _create_folder(network: UserNetwork) -> None:
    at = network.folder
    try:
        at.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise NetworkError(
            f"networks: {network.name!r}: {at.dir} cannot be created: {error.strerror}."
        ) from error
    if len(os.fsencode(at.control)) >= UNIX_PATH_MAX:
        raise NetworkError(
            f"networks: {network.name!r}: the path {at.control} has too many bytes for a socket.",
            hint=f"Have a shorter name of the network, or LIMA_HOME: fewer than {UNIX_PATH_MAX} bytes.",
        )


async def _ask(network: UserNetwork, connection: socket.socket, wanted: Join) -> Membership | None:
    """None when the daemon ends instead of answering."""
    if sys.platform == "win32":
        raise unsupported("a unix socket")
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BUFFER)
    reader, writer = None, None
    try:
        with theirs:
            socket.send_fds(connection, [line(wanted)], [theirs.fileno()])
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=LONGEST_LINE)
        answer = read_answer(await reader.readline())
        if isinstance(answer, Joined):
            return Membership(network, reader, writer, answer, ours)
    except (OSError, ValueError, msgspec.MsgspecError):
        answer = None
    except BaseException:
        _close(connection, writer, ours)
        raise
    _close(connection, writer, ours)
    if isinstance(answer, Refused):
        raise NetworkError(f"networks: {wanted.instance!r} cannot be in {network.name!r}: {answer.why}.")
    return None


def _close(connection: socket.socket, writer: asyncio.StreamWriter | None, stream: socket.socket) -> None:
    stream.close()
    if writer is not None:
        writer.close()
    else:
        connection.close()


async def _connected(network: UserNetwork) -> socket.socket:
    """A connection to the daemon."""
    if (connection := _connect(network)) is not None:
        return connection
    async with _locked(network) as lock:
        if (connection := _connect(network)) is not None:
            return connection
        await _start(network, lock)
        connection = _connect(network)
    if connection is None:
        raise NetworkError(
            f"networks: the daemon of {network.name!r} has ended.",
            hint=f"What it wrote is in {network.folder.log}.",
        )
    return connection


def _connect(network: UserNetwork) -> socket.socket | None:
    connection = system.unix_socket()
    try:
        connection.connect(str(network.folder.control))
    except (FileNotFoundError, ConnectionRefusedError):  # none was there, or it was killed
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise NetworkError(
            f"networks: {network.name!r}: the daemon's socket {network.folder.control} cannot be "
            f"connected to: {error.strerror}."
        ) from error
    return connection


@contextlib.asynccontextmanager
async def _locked(network: UserNetwork) -> AsyncIterator[int]:
    """The right to start a daemon, by a descriptor. A daemon that ends keeps it until it has gone."""
    descriptor = os.open(network.folder.dir, os.O_RDONLY)
    try:
        async with asyncio.timeout(_PATIENCE):
            while not system.lock(descriptor):
                await asyncio.sleep(_POLL)
        yield descriptor
    except TimeoutError:
        raise NetworkError(
            f"networks: another process has held the lock of {network.folder.dir} for {_PATIENCE:.0f} s.",
            hint="It starts or ends the daemon of this network: end it, or try again.",
        ) from None
    finally:
        os.close(descriptor)


def start_command(network: UserNetwork, lock: int) -> list[str]:
    """The daemon's command line.

    :param lock: a descriptor by which the folder is locked.
    """
    reserved = [word for each in network.reserved for word in ("--reserve", str(each))]
    return [
        sys.executable, "-P", "-m", "callao.networks.usernet", str(network.folder.dir),
        "--subnet", str(network.subnet), "--gateway", str(network.gateway), *reserved,
        "--qemu", network.qemu, "--lock", str(lock),
    ]  # fmt: skip


async def _start(network: UserNetwork, lock: int) -> None:
    """Start the daemon in a session of its own; returns when it can be connected to.

    The daemon holds the lock, too, until then: nobody starts another when this process is killed meanwhile.
    """
    argv = start_command(network, lock)
    try:
        why = await asyncio.to_thread(_run, argv, network, lock)
    except OSError as error:
        why = str(error.strerror)
    if not why:
        return
    raise NetworkError(
        f"networks: the daemon of {network.name!r} cannot be started: {why}.",
        hint=f"What it wrote is in {network.folder.log}.",
    )


def _run(argv: list[str], network: UserNetwork, lock: int) -> str:
    """Run the program, which leaves a daemon; returns why there is none, if so."""
    if sys.platform == "win32":
        raise unsupported("a process group")
    with network.folder.log.open("wb") as log:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd="/",
            start_new_session=True,
            pass_fds=(lock,),
        )
    assert process.stdout is not None
    with process.stdout:
        poll = select.poll()  # select(2) takes no descriptor beyond 1023, and a host agent may have more
        poll.register(process.stdout, select.POLLIN)
        said = process.stdout.readline() if poll.poll(_PATIENCE * 1000) else None
    if said == b"ready\n":
        process.wait()
        return ""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, system.kill_signal())
    status = process.wait()
    if said is None:
        return f"it did not become ready within {_PATIENCE:.0f} s"
    return _said(network) or f"it ended with status {status}"


def _said(network: UserNetwork) -> str:
    """The last line that it wrote."""
    lines = read_end(network.folder.log, _LONGEST_LOG).decode(errors="replace").strip().splitlines()
    return lines[-1].removesuffix(".") if lines else ""
