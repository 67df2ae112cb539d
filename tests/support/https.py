# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTPS server on the host's loopback, with a certificate of an authority of its own."""

from __future__ import annotations

import http.server
import threading
from pathlib import Path

from callao.egress.inject.authority import Authority


class HttpsServer:
    """Keeps the headers of each request; answers ``GET /N`` by so many bytes, all else by ``done``."""

    def __init__(self, folder: Path, name: str) -> None:
        authority = Authority.of(folder)
        self.ca_file = folder / "authority.pem"
        self.ca_file.write_text(authority.pem)
        self.headers: list[dict[str, str]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 18

            def answer(self) -> None:
                outer.headers.append({key.lower(): value for key, value in self.headers.items()})
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                size = self.path.removeprefix("/")
                self.send_response(200)
                self.send_header("Content-Length", size if size else "4")
                self.end_headers()
                block = bytes(1 << 18)
                for _ in range(int(size or 0) // len(block)):
                    self.wfile.write(block)
                self.wfile.write(b"done" if not size else bytes(int(size) % len(block)))

            do_GET = do_POST = answer  # noqa: N815 - the library's names

            def log_message(self, *_arguments: object) -> None:
                """Says nothing."""

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_arguments: object) -> None:
                """A client that ends its connection is no error here."""

        self._server = Server(("127.0.0.1", 0), Handler)
        context = authority.server_context(name)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
