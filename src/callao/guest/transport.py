# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the host comes from: a virtio-serial port, or a Unix socket on which it calls.

A virtio port (drivers/char/virtio_console.c) that has no host is readable, ended and hung up at once, so
it cannot be polled for the host's return. Its wait queue is woken then, which edge-triggered epoll tells.
"""

import os
import select
import socket
import time
from contextlib import suppress

from callao.guest.complaints import complain
from callao.guest.link import Link

RETRY = 1.0
"""Seconds between looks for a port that is not there, or for a host in case no edge told of it."""

PORTS = "/sys/class/virtio-ports"


class Transport:
    def connect(self) -> Link:
        """Wait for the host, for as long as it takes."""
        raise NotImplementedError

    def close(self) -> None:
        """Leave nothing behind."""


class VirtioPort(Transport):
    def __init__(self, path: str) -> None:
        self._path = path

    def connect(self) -> Link:
        while True:
            try:
                descriptor = os.open(device(self._path), os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
            except OSError as error:
                complain(f"{self._path}: {error.strerror}; waiting for it")
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


class UnixServer(Transport):
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


def transport(target: str) -> Transport:
    """``unix:PATH``, or a port's path."""
    kind, _, path = target.partition(":")
    return UnixServer(path) if kind == "unix" else VirtioPort(target)


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
