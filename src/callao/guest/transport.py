# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the host comes from: a virtio-serial port, or a socket on which it calls.

Each has ``connect``, which waits for the host for as long as it takes, and ``close``, which leaves nothing
behind.

A virtio port (drivers/char/virtio_console.c) that has no host is readable, ended and hung up at once, so
it cannot be polled for the host's return. Its wait queue is woken then, which edge-triggered epoll tells.
"""

import sys

assert sys.platform == "linux"

import os
import select
import socket
import time
from contextlib import suppress
from typing import Union

from callao.guest.link import Link
from callao.guest.log import warn

RETRY = 1.0
"""Seconds between looks for a port that is not there, or for a host in case no edge told of it."""

PORTS = "/sys/class/virtio-ports"

HOST_CID = 2
"""VMADDR_CID_HOST, linux/vm_sockets.h."""


class VirtioPort:
    def __init__(self, path: str) -> None:
        self._path = path

    def connect(self) -> Link:
        while True:
            try:
                descriptor = os.open(device(self._path), os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
            except OSError as error:
                warn(f"{self._path}: {error.strerror}; waiting for it")
                time.sleep(RETRY)
                continue
            if self._await_host(descriptor):
                return Link(descriptor)
            os.close(descriptor)

    def _await_host(self, descriptor: int) -> bool:
        """False when the port has gone: it may come back as another one."""
        with select.epoll() as edges:
            edges.register(descriptor, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
            while hung_up(descriptor):
                if not same(descriptor, device(self._path)):
                    return False
                edges.poll(RETRY)
        return True

    def close(self) -> None:
        """What was opened is closed with its link."""


class UnixServer:
    """Whoever may write to the socket is the host: ssh, which forwards it, or the machine's own user."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._server = None  # type: socket.socket | None

    def connect(self) -> Link:
        if self._server is None:
            with suppress(FileNotFoundError):
                os.unlink(self._path)  # noqa: PTH108
            self._server = socket.socket(socket.AF_UNIX)
            self._server.bind(self._path)
            self._server.listen(16)
        return Link(self._server.accept()[0].detach())

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            with suppress(OSError):
                os.unlink(self._path)  # noqa: PTH108


class VsockServer:
    """vsock(7). Anybody in the guest may call there, too: only the host's own address is let in."""

    def __init__(self, port: int, host: int = HOST_CID) -> None:
        self._port = port
        self._host = host
        self._server = None  # type: socket.socket | None

    def connect(self) -> Link:
        if self._server is None:
            self._server = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
            self._server.bind((socket.VMADDR_CID_ANY, self._port))
            self._server.listen(16)
        while True:
            caller, (cid, _) = self._server.accept()
            if cid == self._host:
                return Link(caller.detach())
            caller.close()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


Transport = Union[VirtioPort, UnixServer, VsockServer]  # noqa: UP007 (Python 3.6)


def transport(target: str) -> Transport:
    """``unix:PATH``, ``vsock:NUMBER``, or a port's path."""
    kind, _, rest = target.partition(":")
    if kind == "unix":
        return UnixServer(rest)
    if kind == "vsock":
        return VsockServer(int(rest))
    return VirtioPort(target)


def device(path: str, ports: str = PORTS) -> str:
    """The port's device. The link by its name is udev's work, which not every guest has."""
    if os.path.exists(path):  # noqa: PTH110
        return path
    name = path.rpartition("/")[2]
    with suppress(OSError):
        for each in sorted(os.listdir(ports)):  # noqa: PTH208
            with open(f"{ports}/{each}/name") as file:  # noqa: PTH123
                if file.read().strip() == name:
                    return f"/dev/{each}"
    return path


def hung_up(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def same(descriptor: int, path: str) -> bool:
    """Whether the path still is what was opened."""
    try:
        now = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    opened = os.fstat(descriptor)
    return (opened.st_dev, opened.st_ino) == (now.st_dev, now.st_ino)
