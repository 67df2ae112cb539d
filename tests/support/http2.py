# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of HTTP/2 alone on the host's loopback, with a certificate of an authority of its own."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from dataclasses import dataclass, field
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded

from callao.egress.inject.authority import Authority


@dataclass
class Http2Request:
    """``size`` is that of its body; ``has_ended`` tells whether all of it has come."""

    headers: dict[str, str]
    size: int = 0
    has_ended: bool = False


@dataclass
class _Connection:
    http: H2Connection
    requests: dict[int, Http2Request] = field(default_factory=dict)

    def take(self, event: Event) -> Http2Request | None:
        """Returns a request that begins."""
        if isinstance(event, RequestReceived):
            headers = {bytes(name).decode(): bytes(value).decode() for name, value in event.headers}
            self.requests[event.stream_id] = Http2Request(headers)
            return self.requests[event.stream_id]
        if isinstance(event, DataReceived):
            self.requests[event.stream_id].size += len(event.data)
            self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self.requests[event.stream_id].has_ended = True
            self.http.send_headers(event.stream_id, [(":status", "200")])
            self.http.send_data(event.stream_id, b"done", end_stream=True)
        return None


class Http2Server:
    """Keeps each request, and answers it by ``done``. Servers in one folder have one authority."""

    def __init__(self, folder: Path, name: str) -> None:
        context = Authority.of(folder).server_context(name, "h2")
        self.requests: list[Http2Request] = []
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with (
                    contextlib.suppress(OSError),
                    context.wrap_socket(self.request, server_side=True) as tls,
                ):
                    connection = _Connection(H2Connection(H2Configuration(client_side=False)))
                    connection.http.initiate_connection()
                    tls.sendall(connection.http.data_to_send())
                    while data := tls.recv(1 << 18):
                        begun = map(connection.take, connection.http.receive_data(data))
                        outer.requests += [each for each in begun if each is not None]
                        tls.sendall(connection.http.data_to_send())

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
