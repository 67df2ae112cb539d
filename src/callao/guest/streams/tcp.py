# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP connection to a server in this guest, made for a client on the host."""

import sys

assert sys.platform == "linux"

import errno
import select
import socket
from collections.abc import Callable

from callao.guest.frames import TCP_SEGMENT, FrameError, FrameKind, StreamFrame
from callao.guest.link import Link
from callao.guest.streams.window import CREDIT_FORMAT, CREDIT_THRESHOLD, WINDOW, unpack_credit


class TcpStream:
    """``local`` is a non-blocking socket; ``on_closed`` is called with the number when the stream has
    ended.
    """

    def __init__(
        self, link: Link, number: int, local: socket.socket, on_closed: "Callable[[int], None]"
    ) -> None:
        self._link = link
        self._number = number
        self._local = local
        self._on_closed = on_closed
        self._connected = False

        self._send_window = WINDOW
        """Bytes that may still be sent to the host."""
        self._eof_sent = False
        """Whether the server has sent everything, and END was sent to the host."""

        self._receive_window = WINDOW
        """Bytes that the host may still send."""
        self._unacknowledged = 0
        """Bytes that were passed to the server, and not yet acknowledged to the host by CREDIT."""
        self._unsent = bytearray()
        self._eof_received = False
        """Whether the host has sent END."""

    def connect(self, address: "tuple[str, int]") -> None:
        """:raises OSError: when the connection is refused at once."""
        try:
            self._local.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            error = self._local.connect_ex(address)
            if error not in (0, errno.EINPROGRESS):
                raise OSError(error, "not connected")
        except OSError:
            self.close()
            raise
        self._watch()

    def receive(self, frame: StreamFrame) -> None:
        """:raises FrameError: when the host breaks the protocol."""
        if frame.kind is FrameKind.DATA:
            self._receive_window -= len(frame.data)
            if self._receive_window < 0 or self._eof_received:
                raise FrameError(
                    f"the host sent stream {self._number} more bytes than its receive window allows"
                )
            self._unsent += frame.data
            self._flush()
        elif frame.kind is FrameKind.CREDIT:
            self._send_window += unpack_credit(frame.data)
            self._watch()
        elif frame.kind is FrameKind.END:
            self._eof_received = True
            self._flush()
        else:
            self.close()

    def close(self) -> None:
        self._link.unwatch(self._local.fileno())
        self._local.close()
        self._on_closed(self._number)

    def _on_events(self, events: int) -> None:
        if not self._connected:
            self._connected = True
            if self._local.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._reset()
                return
        if events & select.POLLOUT:
            self._flush()
        if events & ~select.POLLOUT and self._local.fileno() >= 0:
            self._read()

    def _read(self) -> None:
        if not self._can_read():
            self._watch()
            return
        try:
            data = self._local.recv(min(TCP_SEGMENT, self._send_window))
        except BlockingIOError:
            return
        except OSError:
            self._reset()
            return
        if data:
            self._send_window -= len(data)
            self._link.send_stream_frame(FrameKind.DATA, self._number, data)
        else:
            self._eof_sent = True
            self._link.send_stream_frame(FrameKind.END, self._number)
        self._close_or_watch()

    def _flush(self) -> None:
        """Write to the server as many bytes as its socket accepts."""
        if not self._connected:
            return
        try:
            while self._unsent:
                sent = self._local.send(self._unsent)
                del self._unsent[:sent]
                self._unacknowledged += sent
            if self._eof_received:
                self._local.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:
            self._reset()
            return
        if self._unacknowledged >= CREDIT_THRESHOLD and not self._eof_received:
            self._link.send_stream_frame(
                FrameKind.CREDIT, self._number, CREDIT_FORMAT.pack(self._unacknowledged)
            )
            self._receive_window += self._unacknowledged
            self._unacknowledged = 0
        self._close_or_watch()

    def _close_or_watch(self) -> None:
        if self._eof_sent and self._eof_received and not self._unsent:
            self.close()
        else:
            self._watch()

    def _can_read(self) -> bool:
        """Whether bytes of the server could be sent to the host now."""
        return (
            self._connected
            and not self._eof_sent
            and self._send_window > 0
            and not self._link.streams_paused
        )

    def _watch(self) -> None:
        events = select.POLLIN if self._can_read() else 0
        if self._unsent or not self._connected:
            events |= select.POLLOUT
        if events:
            self._link.watch(self._local.fileno(), events, self._on_events)
        else:  # poll(2) would report a hang-up again and again
            self._link.unwatch(self._local.fileno())
        if self._link.streams_paused:
            self._link.when_drained(self._number, self._on_drained)

    def _on_drained(self) -> None:
        if self._local.fileno() >= 0:
            self._watch()

    def _reset(self) -> None:
        self._link.send_stream_frame(FrameKind.RESET, self._number)
        self.close()
