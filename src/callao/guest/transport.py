# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways by which the host connects: a virtio-serial port, or a socket that listens.

Each transport has ``connect``, which waits for the host without a time limit, and ``close``.

A virtio port (drivers/char/virtio_console.c) without a host is readable, at end of file and hung up all the
time, so poll(2) cannot wait for the host's return. The driver wakes its wait queue at the return, which
edge-triggered epoll reports.
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

RETRY_INTERVAL = 1.0
"""Seconds between attempts to open a missing port, and between checks for a host in case epoll missed it."""

VIRTIO_PORTS = "/sys/class/virtio-ports"

HOST_CID = 2
"""VMADDR_CID_HOST, linux/vm_sockets.h."""


class VirtioPort:
    def __init__(self, path: str) -> None:
        self._path = path

    def connect(self) -> Link:
        while True:
            try:
                descriptor = os.open(find_device(self._path), os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
            except OSError as error:
                warn(f"{self._path}: {error.strerror}; waiting for it")
                time.sleep(RETRY_INTERVAL)
                continue
            if self._wait_for_host(descriptor):
                return Link(descriptor)
            os.close(descriptor)

    def _wait_for_host(self, descriptor: int) -> bool:
        """Returns False when the port was removed: it may come back as another device."""
        with select.epoll() as epoll:
            epoll.register(descriptor, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
            while hung_up(descriptor):
                if not is_same_file(descriptor, find_device(self._path)):
                    return False
                epoll.poll(RETRY_INTERVAL)
        return True

    def close(self) -> None:
        """Nothing to close: the link closes the descriptor."""


class UnixServer:
    """A unix socket. Its file mode decides who can connect: ssh, which forwards it, or the guest's user."""

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
    """A vsock(7) socket. Processes of the guest can connect, too, so only the host's address is accepted."""

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
            connection, (cid, _) = self._server.accept()
            if cid == self._host:
                return Link(connection.detach())
            connection.close()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


Transport = Union[VirtioPort, UnixServer, VsockServer]  # noqa: UP007 (Python 3.6)


def transport_for(target: str) -> Transport:
    """The transport for ``unix:PATH``, ``vsock:NUMBER``, or the path of a virtio port."""
    kind, _, rest = target.partition(":")
    if kind == "unix":
        return UnixServer(rest)
    if kind == "vsock":
        return VsockServer(int(rest))
    return VirtioPort(target)


def find_device(path: str, sysfs: str = VIRTIO_PORTS) -> str:
    """The device of a port. udev makes the symbolic link with the port's name, but not every guest has
    udev.
    """
    if os.path.exists(path):  # noqa: PTH110
        return path
    name = path.rpartition("/")[2]
    with suppress(OSError):
        for each in sorted(os.listdir(sysfs)):  # noqa: PTH208
            with open(f"{sysfs}/{each}/name") as file:  # noqa: PTH123
                if file.read().strip() == name:
                    return f"/dev/{each}"
    return path


def hung_up(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def is_same_file(descriptor: int, path: str) -> bool:
    """Whether the path still names the file that was opened."""
    try:
        now = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    opened = os.fstat(descriptor)
    return (opened.st_dev, opened.st_ino) == (now.st_dev, now.st_ino)
