# SPDX-License-Identifier: GPL-3.0-or-later
"""Streamable HTTP: who is answered, and who is not."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_server.conftest import Tools

from callao.errors import CallaoError
from callao.mcp.http import Listener, bound, listener_of, serve
from callao.mcp.protocol import server
from callao.mcp.toolbox import Toolbox
from callao.mcp.workspace import Workspace

TOKEN = "0123456789abcdef"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@contextlib.asynccontextmanager
async def running(tools: Tools, listener: Listener) -> AsyncIterator[socket.socket]:
    workspace = Workspace((str(tools.root),), str(tools.root))
    box = Toolbox(workspace, tools.connection, tools.limits)
    with bound(listener) as listening:
        task = asyncio.create_task(serve(server(box.tools(), workspace.roots), listener, listening))
        try:
            yield listening
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def listed(url: str, client: httpx2.AsyncClient, tools: Tools) -> list[str]:
    async with Client(streamable_http_client(url, http_client=client)) as session:
        found = await session.call_tool("list_directory", {"path": str(tools.root)})
    return [each["name"] for each in found.structured_content["entries"]]


def test_a_port_answers_only_those_who_have_the_token_and_name_it(tools: Tools) -> None:
    (tools.root / "file").write_text("x")

    async def used() -> None:
        async with running(tools, Listener(token=TOKEN)) as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
            headers = {"authorization": f"Bearer {TOKEN}"}
            async with httpx2.AsyncClient(headers=headers) as client:
                assert await listed(url, client, tools) == ["file"]
                for wrong, status in (
                    ({"host": "evil.example"}, 421),
                    ({"origin": "http://evil.example"}, 403),
                    ({"origin": "null"}, 403),
                    ({"authorization": "Bearer x"}, 401),
                    ({"authorization": TOKEN}, 401),
                    ({"authorization": ""}, 401),
                ):
                    assert (await client.post(url, json=PING, headers=wrong)).status_code == status, wrong
                    other = url.replace("/mcp", "/other")
                    assert (await client.get(other, headers=wrong)).status_code == status

    tools.wait(used())


def test_a_unix_socket_is_for_its_user_alone(tools: Tools) -> None:
    path = tools.root / "s"

    async def used() -> None:
        async with running(tools, Listener(path=path)):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            with pytest.raises(CallaoError, match="cannot be used"), bound(Listener(path=path)):
                pass
            transport = httpx2.AsyncHTTPTransport(uds=str(path))
            async with httpx2.AsyncClient(transport=transport) as client:
                assert await listed("http://localhost/mcp", client, tools) == ["s"]
                wrong = await client.post("http://evil.example/mcp", json=PING)
                assert wrong.status_code == 421

    tools.wait(used())
    assert not path.exists()


def test_a_socket_that_nobody_listens_at_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "s"))
    with bound(Listener(path=tmp_path / "s")):
        pass


def test_an_address_in_use_is_told_as_it_is_written() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(CallaoError, match=re.escape(f"'[::1]:{port}' cannot be used")),
            bound(Listener(address="::1", port=port)),
        ):
            pass


@pytest.mark.parametrize(
    ("text", "token", "mode", "words"),
    [
        ("127.0.0.1:0", None, 0o600, "needs a token"),
        ("127.0.0.1:0", "short", 0o600, "has no token"),
        ("127.0.0.1:0", f"{TOKEN} x", 0o600, "has no token"),
        ("127.0.0.1:0", TOKEN, 0o644, "readable by others"),
        ("0.0.0.0:80", TOKEN, 0o600, "--listen: '0.0.0.0:80' is not allowed"),
        ("192.0.2.1:80", TOKEN, 0o600, "not allowed"),
        ("localhost:80", TOKEN, 0o600, "not allowed"),
        ("127.0.0.1:99999", TOKEN, 0o600, "not allowed"),
        ("127.0.0.1", TOKEN, 0o600, "not allowed"),
        ("unix:", TOKEN, 0o600, "not allowed"),
    ],
)
def test_no_token_no_service(tmp_path: Path, text: str, token: str | None, mode: int, words: str) -> None:
    file = tmp_path / "token"
    if token is not None:
        file.write_text(token)
        file.chmod(mode)
    with pytest.raises(CallaoError) as caught:
        listener_of(text, None if token is None else file)
    assert words in str(caught.value)


def test_a_listener_is_read_from_its_text(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    assert listener_of("[::1]:8080", file) == Listener(address="::1", port=8080, token=TOKEN)
    assert listener_of(f"unix:{tmp_path}/s", None) == Listener(path=tmp_path / "s")
