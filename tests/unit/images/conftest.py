# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server that behaves as badly as asked."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from callao.events import Event, silent
from callao.images import DownloadLimits, fetch
from callao.images.cache import cache_entry

BODY = os.urandom(700_000)
QUICK = DownloadLimits(connect=2.0, read=0.4, tries=3)


def get(url: str, home: Path, digest: str | None = None, events: list[Event] | None = None) -> bytes:
    report = silent if events is None else events.append
    return fetch(url, digest=digest, home=home, report=report, limits=QUICK).path.read_bytes()


@dataclass
class Resource:
    """One path of the server and its manners."""

    body: bytes = b""
    etag: str = '"one"'
    modified: str = ""
    status: int = 200
    busy: list[str] = field(default_factory=list)
    """For each answer in turn, a Retry-After with status 503, before it is served."""
    chunked: bool = False
    """Sent in chunks, the last of which is missing while ``cut_after`` says so."""
    open_ended: bool = False
    """Sent until the connection ends, without a length."""
    location: str = ""
    ranges: bool = True
    if_range: bool = True
    """Whether a changed file is sent whole to whoever asks for the rest of another."""
    stall_after: int | None = None
    """Bytes after which the server says nothing more."""
    cut_after: list[int] = field(default_factory=list)
    """For each answer in turn, bytes after which the connection ends."""
    knows_no_head: bool = False
    length_lie: int = 0
    """Added to the true Content-Length."""
    length_said: str = ""
    """In its place, and in that of the whole in a Content-Range."""


@dataclass
class Server:
    """``requests`` holds (path, Range header) of every GET request."""

    port: int
    resources: dict[str, Resource] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    """The path of each HEAD request."""
    proxy_authorization: list[str] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def serve(self, path: str, body: bytes, **manners: Any) -> str:
        self.resources[path] = Resource(body, **manners)
        return self.url(path)


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.removeprefix("http://elsewhere.invalid")
            server.requests.append((self.path, self.headers.get("Range", "")))
            server.proxy_authorization.append(self.headers.get("Proxy-Authorization", ""))
            self.answer(server.resources.get(path, Resource(status=404)))

        def do_HEAD(self) -> None:
            server.looks.append(self.path)
            path = self.path.removeprefix("http://elsewhere.invalid")
            resource = server.resources.get(path, Resource(status=404))
            self.send_response(501 if resource.knows_no_head else resource.status)
            if resource.location:
                self.send_header("Location", resource.location)
            self.send_header("Content-Length", resource.length_said or str(len(resource.body)))
            self.versions(resource)
            self.end_headers()

        def versions(self, resource: Resource) -> None:
            if resource.etag:
                self.send_header("ETag", resource.etag)
            if resource.modified:
                self.send_header("Last-Modified", resource.modified)

        def answer(self, resource: Resource) -> None:
            if resource.busy:
                self.send_response(503)
                self.send_header("Retry-After", resource.busy.pop(0))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            asked = self.headers.get("Range", "")
            start = 0
            same = self.headers.get("If-Range") == resource.etag or not resource.if_range
            if resource.ranges and asked and same:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
            size = len(resource.body)
            if start >= size > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else resource.status)
            if resource.location:
                self.send_header("Location", resource.location)
            if start:
                whole = resource.length_said or size
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{whole}")
            self.versions(resource)
            if resource.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            elif resource.open_ended:
                self.close_connection = True
            else:
                length = str(len(resource.body) - start + resource.length_lie)
                self.send_header("Content-Length", resource.length_said or length)
                self.close_connection |= bool(resource.length_said)
            self.end_headers()
            self.send(resource, resource.body[start:])

        def send(self, resource: Resource, body: bytes) -> None:
            if resource.cut_after:
                body = body[: resource.cut_after.pop(0)]
                self.close_connection = True
            if resource.length_lie:
                self.close_connection = True
            if resource.stall_after is not None:
                self.wfile.write(body[: resource.stall_after])
                self.wfile.flush()
                server.release.wait(20)
                self.close_connection = True
                return
            whole = b"%x\r\n%s\r\n" % (len(body), body) if resource.chunked else body
            self.wfile.write(
                whole + (b"0\r\n\r\n" if resource.chunked and not self.close_connection else b"")
            )
            self.wfile.flush()
            if self.close_connection:
                with contextlib.suppress(OSError):  # whoever asked is gone
                    self.connection.shutdown(socket.SHUT_WR)

        def log_message(self, *_: object) -> None:
            """The tests count requests themselves."""

    return Handler


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server of this test's own."""
    told = Server(port=0)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(told)) as http:
        told.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield told
        told.release.set()
        http.shutdown()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as told:
        yield told


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def killed_after(home: Path, url: str, body: bytes, etag: str = '"one"') -> None:
    """What a run leaves that was killed after ``body``."""
    place = cache_entry(home, url)
    place.dir.mkdir(parents=True)
    place.part.write_bytes(body)
    place.validator.write_text(etag)


def sha256(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


def left_in(home: Path) -> list[str]:
    """Files in the cache, without the locks."""
    return sorted(
        str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"
    )
