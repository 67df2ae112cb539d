# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from callao.errors import AgentError, PortTaken
from callao.hostagent.api import http
from callao.hostagent.api.client import call

T = TypeVar("T")


async def info(_request: http.Request) -> object:
    return {"sshLocalPort": 60022}


async def refused(_request: http.Request) -> object:
    raise PortTaken("port 80 is taken", port=80)


ROUTES = {("GET", "/v1/info"): info, ("POST", "/v1/refresh"): refused}


@pytest.fixture
def sock() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ha-", dir="/tmp") as folder:
        yield Path(folder) / "ha.sock"


def served(sock: Path, ask: Callable[[], T]) -> T:
    """Run ``ask`` in a thread while the interface is served."""

    async def both() -> T:
        server = await http.serve(sock, ROUTES)
        try:
            return await asyncio.to_thread(ask)
        finally:
            server.close()

    return asyncio.run(both())


def test_info_is_json(sock: Path) -> None:
    assert served(sock, lambda: call(sock, "GET", "/v1/info")) == {"sshLocalPort": 60022}


def test_only_the_owner_may_talk_to_it(sock: Path) -> None:
    assert served(sock, lambda: stat.S_IMODE(sock.stat().st_mode)) == 0o600


def test_a_refusal_reaches_the_caller_in_its_own_words(sock: Path) -> None:
    with pytest.raises(AgentError, match="port 80 is taken"):
        served(sock, lambda: call(sock, "POST", "/v1/refresh"))


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [("GET", "/v2/info", "no such path.*known: /v1/info"), ("DELETE", "/v1/info", "not allowed.*GET")],
)
def test_an_unknown_request_says_what_there_is(sock: Path, method: str, path: str, words: str) -> None:
    with pytest.raises(AgentError, match=words):
        served(sock, lambda: call(sock, method, path))


def test_curl_can_read_it(sock: Path) -> None:
    def raw() -> bytes:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(str(sock))
            wire.sendall(b"GET /v1/info HTTP/1.1\r\nHost: lima\r\n\r\n")
            return b"".join(iter(lambda: wire.recv(4096), b""))

    head, _, body = served(sock, raw).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert json.loads(body) == {"sshLocalPort": 60022}


def test_garbage_does_not_end_the_server(sock: Path) -> None:
    def ask() -> object:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(str(sock))
            wire.sendall(b"\x00\x01 not http\r\n\r\n")
            wire.settimeout(5)
            wire.recv(4096)
        return call(sock, "GET", "/v1/info")

    assert served(sock, ask) == {"sshLocalPort": 60022}


def test_a_request_that_is_too_large_is_dropped(sock: Path) -> None:
    size = http._BODY_LIMIT + 1
    head = b"POST /v1/refresh HTTP/1.1\r\nHost: lima\r\nContent-Length: %d\r\n\r\n" % size

    def ask() -> bytes:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(str(sock))
            wire.settimeout(20)
            with contextlib.suppress(BrokenPipeError):
                wire.sendall(head + bytes(size))
            with contextlib.suppress(ConnectionResetError):
                return wire.recv(100)
        return b""

    assert served(sock, ask) == b""


def test_a_dead_agent_is_told_with_a_remedy(sock: Path) -> None:
    with pytest.raises(AgentError, match=r"does not answer.*Restart the instance"):
        call(sock, "GET", "/v1/info")


def test_limactls_agent_does_not_know_our_requests_and_that_is_told(sock: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(sock))
        listener.listen()

        def answer() -> None:
            wire, _ = listener.accept()
            with wire:
                wire.recv(65536)
                body = b"404 page not found\n"
                wire.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

        theirs = threading.Thread(target=answer)
        theirs.start()
        with pytest.raises(AgentError, match=rf"POST /v1/save: limactl .*callao restart {sock.parent.name}"):
            call(sock, "POST", "/v1/save")
        theirs.join()
