# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of clients, read as each of them reads it."""

from __future__ import annotations

import json
import tomllib

import pytest

from callao.mcp.client_config import Client, client_config

ARGV = ['/opt/my "venv"/callao', "mcp", "serve", "bücher"]
ENVIRONMENT = {"LIMA_HOME": "/srv/lima home"}
SERVER = {"command": ARGV[0], "args": ARGV[1:], "env": ENVIRONMENT}


def test_codex_reads_toml() -> None:
    text = client_config(Client.CODEX, "lima", ARGV, ENVIRONMENT)
    assert tomllib.loads(text) == {"mcp_servers": {"lima": SERVER}}


@pytest.mark.parametrize(
    ("client", "key", "more"),
    [
        (Client.CLAUDE, "mcpServers", {"type": "stdio"}),
        (Client.GEMINI, "mcpServers", {}),
        (Client.VSCODE, "servers", {"type": "stdio"}),
    ],
)
def test_the_others_read_json(client: Client, key: str, more: dict[str, str]) -> None:
    document = json.loads(client_config(client, "lima", ARGV, ENVIRONMENT))
    assert document[key] == {"lima": {**SERVER, **more}}
    assert "run_shell_command" not in str(document)


def test_no_environment_is_written_where_there_is_none() -> None:
    assert "env]" not in client_config(Client.CODEX, "lima", ARGV, {})
